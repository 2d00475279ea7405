"""
Which model takes what: the catalogue says it, else the model's own platform does, whose word is kept for an hour.

It checks an input before money is spent. Where nobody knows a model's inputs it lets the run pass and says so in the
log: the platform has the last word.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from relay import log
from relay.catalogue.catalogue import Catalogue
from relay.catalogue.check import Offer, check
from relay.catalogue.model import Model
from relay.errors import Code, FieldError, RequestError, UpstreamError, UpstreamUnclear
from relay.providers.base import Provider

KEPT_S = 3600.0
"""How long a platform's word on a model counts."""

FAILED_S = 60.0
"""How long it is not asked again after it could not say anything: a start must not wait for it each time."""

KEPT = 256
"""So many models' descriptions are kept, the newest; more are asked for again."""

ASKED_S = 10.0
"""A start waits so long at most for a description."""

_INPUT = "input."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Word:
    """What a platform said of a model, or why it said nothing, and until when (unix seconds) that counts."""

    model: Model | None
    error: UpstreamError | None
    until: float


class Models:
    """The models that tasks can be started of."""

    def __init__(self, catalogue: Catalogue, providers: Mapping[str, Provider], clock: Callable[[], float]) -> None:
        """
        Args:
            catalogue: the models that are known well.
            providers: by name; these can be asked about others.
            clock: gives unix seconds.
        """
        self._catalogue = catalogue
        self._providers = providers
        self._clock = clock
        self._words: dict[tuple[str, str], _Word] = {}
        self._asking: dict[tuple[str, str], asyncio.Task[_Word]] = {}
        self._log = log.get("models")

    def __repr__(self) -> str:
        return f"<Models {self._catalogue!r} words={len(self._words)}>"

    def __iter__(self) -> Iterator[Model]:
        return iter(self._catalogue)

    def is_available(self, model: Model) -> bool:
        """Tell whether a task of it can be started here: its provider has credentials."""
        return model.provider in self._providers

    def provider_of(self, name: str) -> str | None:
        """
        Return the provider whose model this is, as far as the catalogue knows.

        Raises:
            RequestError: it is a model of a provider that has no credentials here.
        """
        known = self._catalogue.providers_of(name)
        ready = [provider for provider in self._providers if provider in known]
        if known and not ready:
            detail = f"{name} is a model of {', '.join(known)}, which has no credentials here."
            raise RequestError(Code.INVALID_INPUT, detail, fields=(FieldError(field="model", message=detail),))
        return ready[0] if ready else None

    async def find(self, name: str, provider: str | None = None) -> Model | None:
        """
        Return a model, in whatever case its name is written; null when nobody has it.

        Args:
            name: `owner/name`.
            provider: whose model; with null, that of the first provider who knows it.

        Raises:
            UpstreamError: it is not in the catalogue, and its platform could not be asked.
        """
        asked = [each for each in self._providers if provider in (None, each)]
        for each in dict.fromkeys((*asked, *self._catalogue.providers_of(name))):
            if provider in (None, each) and (model := self._catalogue.find(each, name)) is not None:
                return model
        failed: UpstreamError | None = None
        for each in asked:
            word = await self._ask(each, name)
            if word.model is not None:
                return word.model
            failed = failed or word.error
        if failed is not None:
            raise failed.with_traceback(None)
        return None

    async def check(
        self,
        provider: str,
        name: str,
        given: Mapping[str, object],
        offers: Sequence[Offer] = (),
        *,
        more: bool = False,
    ) -> None:
        """
        See that an input fits the model, and the files that are given with it; pass what nobody can judge.

        Args:
            provider: whose model.
            name: `owner/name`.
            given: the input.
            offers: the files, in the order of their coming.
            more: whether other files may come still, so that none is missing yet.

        Raises:
            RequestError: it does not fit; one field for each fault, with what is allowed.
        """
        model = self._catalogue.find(provider, name)
        if model is None:
            word = await self._ask(provider, name)
            if word.model is None or not word.model.closed:
                reason = word.error.detail if word.error is not None else "its inputs are not described"
                if not more:  # once a start
                    self._log.warning("model.unchecked", provider=provider, model=name, reason=reason)
            model = word.model
        faults = check(model, given, offers, more=more)[1] if model is not None else ()
        if faults:
            detail = "; ".join(f"{fault.field.removeprefix(_INPUT)} {fault.message}" for fault in faults)
            raise RequestError(Code.INVALID_INPUT, detail, fields=faults)

    async def _ask(self, provider: str, name: str) -> _Word:
        key = (provider, name.lower())
        word = self._words.get(key)
        if word is None or word.until <= self._clock():
            if (asking := self._asking.get(key)) is None:  # a hundred starts of one model ask once
                asking = self._asking[key] = asyncio.create_task(self._word(provider, name))
                asking.add_done_callback(lambda _: self._asking.pop(key, None))
            word = await asyncio.shield(asking)
            self._words.pop(key, None)
            self._words[key] = word
            if len(self._words) > KEPT:
                del self._words[next(iter(self._words))]
        return word

    async def _word(self, provider: str, name: str) -> _Word:
        model: Model | None = None
        failed: UpstreamError | None = None
        try:
            async with asyncio.timeout(ASKED_S):
                model = await self._providers[provider].describe(name)
        except UpstreamError as error:
            failed = error
        except TimeoutError:
            failed = UpstreamUnclear(f"{provider} did not say within {ASKED_S:g} s what {name} takes.")
        return _Word(model=model, error=failed, until=self._clock() + (KEPT_S if model is not None else FAILED_S))
