"""
The inputs of each model: from the catalogue, else as the model's platform describes them.

Input is checked before money is spent. If nothing describes a model's inputs, the run is sent unchecked, which is
logged: the platform decides.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from relay import log
from relay.catalogue.catalogue import Catalogue
from relay.catalogue.check import Offer, check
from relay.catalogue.model import Model
from relay.core.upstream import CheckedInput
from relay.errors import Code, FieldError, RequestError, UpstreamError, UpstreamUnclear
from relay.providers.base import Provider

CACHE_S = 3600.0
"""How long a platform's description of a model is cached."""

FAILURE_CACHE_S = 60.0
"""How long a missing description is cached, so that not every start waits for the platform."""

CACHE_SIZE = 256
"""How many descriptions are cached. The oldest is dropped first."""

DESCRIBE_TIMEOUT_S = 10.0
"""How long a start waits for a description."""

_INPUT = "input."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Description:
    """A platform's description of a model, or why there is none, and until when it is cached."""

    model: Model | None
    error: UpstreamError | None
    until: float


class Models:
    """The models that tasks can be started with, and the providers that have them."""

    def __init__(self, catalogue: Catalogue, providers: Mapping[str, Provider], clock: Callable[[], float]) -> None:
        """
        Args:
            catalogue: the models that the relay describes itself.
            providers: by name. They describe other models; the first one is the default.
            clock: returns seconds.
        """
        self._catalogue = catalogue
        self._providers = providers
        self._clock = clock
        self._descriptions: dict[tuple[str, str], _Description] = {}
        self._loading: dict[tuple[str, str], asyncio.Task[_Description]] = {}
        self._log = log.get("models")

    def __repr__(self) -> str:
        return f"<Models {self._catalogue!r} descriptions={len(self._descriptions)}>"

    def __iter__(self) -> Iterator[Model]:
        return iter(self._catalogue)

    def is_available(self, model: Model) -> bool:
        """Return whether a task of this model can be started: its provider has credentials."""
        return model.provider in self._providers

    def provider_named(self, name: str | None) -> Provider:
        """
        Return a provider by name, or the default.

        Raises:
            RequestError: no provider of this name has credentials.
        """
        provider = self._providers.get(name or next(iter(self._providers), ""))
        if provider is None:
            known = ", ".join(self._providers) or "none: set WIRO_API_KEY or APIKLEY_API_KEY"
            detail = f"The provider {name!r} is not configured; configured: {known}."
            wrong = FieldError(field="provider", message=f"must be one of {known}")
            raise RequestError(Code.INVALID_INPUT, detail, fields=(wrong,))
        return provider

    def provider_for(self, model: str, name: str | None, *, file_input: str | None = None) -> str:
        """
        Return the name of the provider that runs a model.

        Args:
            model: `owner/name`.
            name: the provider that the client requested. Null: the one that has the model, else the default.
            file_input: an input that a file is uploaded for, if any.

        Raises:
            RequestError: no such provider has credentials, or the provider takes no files.
        """
        provider = self.provider_named(name or self._listed_provider(model))
        if file_input is not None and not provider.takes_files:
            detail = f"{provider.name} takes no files; use URLs."
            wrong = FieldError(field=f"input.{file_input}", message=f"{provider.name} takes no files; use a URL")
            raise RequestError(Code.INVALID_INPUT, detail, fields=(wrong,))
        return provider.name

    async def find(self, name: str, provider: str | None = None) -> Model | None:
        """
        Return a model, or null if no provider has it. The case of its name does not matter.

        Args:
            name: `owner/name`.
            provider: whose model. Null: that of the first provider that has it.

        Raises:
            UpstreamError: it is not in the catalogue, and its platform could not be called.
        """
        candidates = [each for each in self._providers if provider in (None, each)]
        for each in dict.fromkeys((*candidates, *self._catalogue.providers_of(name))):
            if provider in (None, each) and (model := self._catalogue.find(each, name)) is not None:
                return model
        failure: UpstreamError | None = None
        for each in candidates:
            description = await self._describe(each, name)
            if description.model is not None:
                return description.model
            failure = failure or description.error
        if failure is not None:
            raise failure.with_traceback(None)
        return None

    async def screen(self, provider: str, name: str, given: Mapping[str, object], offers: Sequence[Offer] = ()) -> None:
        """
        Check an input while files are still being uploaded. An input without a file may still get one.

        Raises:
            RequestError: it is invalid, regardless of the files that follow. Has a field for each error.
        """
        model = self._catalogue.find(provider, name) or (await self._describe(provider, name)).model
        if model is not None:
            _checked(model, given, offers, more=True)

    async def check(
        self, provider: str, name: str, given: Mapping[str, object], offers: Sequence[Offer] = ()
    ) -> CheckedInput:
        """
        Check an input and its files, and return what to send to the provider.

        For a model of the catalogue, that is the input with its defaults filled in. Any other input is sent unchanged.

        Args:
            provider: whose model.
            name: `owner/name`.
            given: the input.
            offers: the files, in the order of the request.

        Raises:
            RequestError: it is invalid. Has a field for each error, with what is allowed.
        """
        if (listed := self._catalogue.find(provider, name)) is not None:
            return CheckedInput(model=listed.run_as, input=_checked(listed, given, offers))
        description = await self._describe(provider, name)
        if description.model is None or not description.model.closed:
            reason = description.error.detail if description.error is not None else "its inputs are not described"
            self._log.warning("model.unchecked", provider=provider, model=name, reason=reason)
        if description.model is not None:
            _checked(description.model, given, offers)
        return CheckedInput(model=name, input=given)

    def with_defaults(self, provider: str, name: str, given: Mapping[str, object]) -> Mapping[str, object]:
        """Return an input that may be incomplete or invalid, with the defaults of a model of the catalogue."""
        listed = self._catalogue.find(provider, name)
        return given if listed is None else check(listed, given, more=True)[0]

    def unchecked(self, provider: str, name: str, given: Mapping[str, object]) -> CheckedInput:
        """Return what is sent for an input that only the platform checks: the input itself."""
        listed = self._catalogue.find(provider, name)
        return CheckedInput(model=name if listed is None else listed.run_as, input=given)

    def _listed_provider(self, name: str) -> str | None:
        """Return the first provider that has a model according to the catalogue; null if the catalogue lacks it."""
        known = self._catalogue.providers_of(name)
        ready = [provider for provider in self._providers if provider in known]
        if known and not ready:
            detail = f"{name} is a model of {', '.join(known)}, which has no credentials here."
            raise RequestError(Code.INVALID_INPUT, detail, fields=(FieldError(field="model", message=detail),))
        return ready[0] if ready else None

    async def _describe(self, provider: str, name: str) -> _Description:
        key = (provider, name.lower())
        description = self._descriptions.get(key)
        if description is None or description.until <= self._clock():
            if (loading := self._loading.get(key)) is None:  # concurrent starts of one model share one call
                loading = self._loading[key] = asyncio.create_task(self._load(provider, name))
                loading.add_done_callback(lambda _: self._loading.pop(key, None))
            description = await asyncio.shield(loading)
            self._descriptions.pop(key, None)
            self._descriptions[key] = description
            if len(self._descriptions) > CACHE_SIZE:
                del self._descriptions[next(iter(self._descriptions))]
        return description

    async def _load(self, provider: str, name: str) -> _Description:
        model: Model | None = None
        failure: UpstreamError | None = None
        try:
            async with asyncio.timeout(DESCRIBE_TIMEOUT_S):
                model = await self._providers[provider].describe(name)
        except UpstreamError as error:
            failure = error
        except TimeoutError:
            failure = UpstreamUnclear(f"{provider} did not describe {name} within {DESCRIBE_TIMEOUT_S:g} s.")
        cached_s = CACHE_S if model is not None else FAILURE_CACHE_S
        return _Description(model=model, error=failure, until=self._clock() + cached_s)


def _checked(
    model: Model, given: Mapping[str, object], offers: Sequence[Offer], *, more: bool = False
) -> Mapping[str, object]:
    """
    Return what is sent for an input.

    Raises:
        RequestError: the input is invalid.
    """
    checked, faults = check(model, given, offers, more=more)
    if faults:
        detail = "; ".join(f"{fault.field.removeprefix(_INPUT)} {fault.message}" for fault in faults)
        raise RequestError(Code.INVALID_INPUT, detail, fields=faults)
    return checked
