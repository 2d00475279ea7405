"""Check a start against what a credential allows. Everything that starts tasks for clients calls `apply`."""

from dataclasses import dataclass, replace

from relay.access.grants import Grant
from relay.access.start_rules import StartRules
from relay.core.tag import normalize_tag
from relay.errors import Code, FieldError, RequestError
from relay.tasks.models import Models
from relay.tasks.requests import Start


@dataclass(frozen=True, slots=True)
class StartPermit:
    """What a credential with the right to start allows."""

    grant: Grant
    models: Models

    @property
    def rules(self) -> StartRules:
        """The rules of a start token; those of an API key restrict nothing."""
        return self.grant.start or StartRules()

    def check_model(self, name: object) -> None:
        """
        Check that a model may be started. A name that is not text is left to the check of the body.

        Raises:
            RequestError: it may not.
        """
        if isinstance(name, str) and not self.rules.allows_model(name):
            allowed = ", ".join(self.rules.models or ()) or "no model"
            raise RequestError(Code.FORBIDDEN, f"The token does not allow the model {name[:201]}; it allows {allowed}.")

    def check_file(self, name: str) -> None:
        """
        Check that a file may be given for an input.

        Raises:
            RequestError: a rule fixes or bounds the input.
        """
        if (rule := self.rules.rule_of(name)) is not None or (rule := self.rules.rule_of(f"{name}Url")) is not None:
            raise _forbidden(rule, "must not be a file")

    def apply(self, start: Start) -> Start:
        """
        Return a start as it may be made: with the tag of the credential, its limits, and the inputs that it fixes.

        Raises:
            RequestError: the credential does not allow it. The message says what it allows.
        """
        self.check_model(start.model)
        start = replace(start, started_by=self.grant.name)
        if (tag := self.grant.tag) is None:
            return start
        if others := [each for each in map(normalize_tag, start.tags) if each != tag]:
            detail = f"The credential allows the tag {tag} only, not {', '.join(others)}."
            raise RequestError(Code.FORBIDDEN, detail)
        if start.webhook is not None and not self.grant.is_key:
            raise RequestError(Code.FORBIDDEN, "The token does not allow `webhook`; an API key does.")
        for file in start.files:
            self.check_file(file.input)
        return replace(
            start,
            tags=(tag,),
            tag=tag,
            input=self._input(start),
            limits=self.rules.limits.of_tag(tag),
        )

    def _input(self, start: Start) -> dict[str, object]:
        """Return the input with the fixed values. Defaults of the model count towards the bounds."""
        for name in start.input:
            if (rule := self.rules.rule_of(name)) is not None and rule != name:
                raise _forbidden(name, f"must be written as `{rule}`")
        fixed = {name: value for name, value in self.rules.fixed().items() if name not in start.input}
        given = {**start.input, **fixed}
        if self.rules.inputs:
            provider = self.models.provider_for(start.model, start.provider)
            meant = {**self.models.with_defaults(provider, start.model, given), **given}
            for name in self.rules.inputs.keys() & meant.keys():
                if (problem := self.rules.problem(name, meant[name])) is not None:
                    raise _forbidden(name, problem)
        return given


def _forbidden(name: str, problem: str) -> RequestError:
    wrong = FieldError(field=f"input.{name}", message=f"{problem} with this token")
    return RequestError(Code.FORBIDDEN, f"The token does not allow this input: {name} {problem}.", fields=(wrong,))
