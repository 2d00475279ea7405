"""The histories of models, as the journal has them: kept in memory, and read again from time to time."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from relay import log
from relay.core.history.tally import DAY_S, Tally
from relay.core.history.usual import ModelHistory
from relay.errors import StoreError
from relay.journal.base import Journal
from relay.tasks.background import Background

FRESH_S: Final = 60.0
"""How long a history is used before it is read again: other nodes add to it, and old runs lose weight."""

DAYS: Final = 60
"""How many days back runs count. Older ones have a twentieth of the weight of new ones."""

MODELS: Final = 256
"""How many histories are kept in memory. The one that was not used for the longest time is dropped first."""


@dataclass(slots=True)
class _Known:
    history: ModelHistory = field(default_factory=ModelHistory)
    read_at: float | None = None
    """When it was read, or when that was tried."""


class Histories:
    """
    The histories of all models.

    A task asks for one at its start and keeps it, so its events cause no reads. Until it was read, it is empty.
    """

    def __init__(self, journal: Journal, clock: Callable[[], float], background: Background) -> None:
        """
        Args:
            journal: has the tallies.
            clock: returns unix seconds.
            background: where histories are read.
        """
        self._journal = journal
        self._clock = clock
        self._background = background
        self._known: dict[tuple[str, str], _Known] = {}
        self._log = log.get("histories")

    def __repr__(self) -> str:
        return f"<Histories {len(self._known)}>"

    def of(self, provider: str, model: str) -> ModelHistory:
        """Return the history of a model, and read it in the background if that is due."""
        known = self._use(provider, model)
        if self._is_due(known):
            self._background.start(self._read_quietly(provider, model, known))
        return known.history

    async def read(self, provider: str, model: str) -> ModelHistory:
        """
        Return the history of a model, read within the last FRESH_S.

        Raises:
            StoreError: the journal cannot be read.
        """
        known = self._use(provider, model)
        if self._is_due(known):
            await self._read(provider, model, known)
        return known.history

    def add(self, tally: Tally) -> None:
        """Add the tally of a task, after its commit."""
        if (known := self._known.get((tally.provider, tally.model))) is not None:
            known.history.add(tally)

    def _use(self, provider: str, model: str) -> _Known:
        key = provider, model.lower()
        known = self._known[key] = self._known.pop(key, _Known())
        if len(self._known) > MODELS:
            del self._known[next(iter(self._known))]
        return known

    def _is_due(self, known: _Known) -> bool:
        return known.read_at is None or not 0 <= self._clock() - known.read_at < FRESH_S

    async def _read_quietly(self, provider: str, model: str, known: _Known) -> None:
        try:
            await self._read(provider, model, known)
        except StoreError as error:  # the journal has logged it; estimates are made with what is known
            self._log.debug("history.read_failed", model=model, error=str(error))

    async def _read(self, provider: str, model: str, known: _Known) -> None:
        known.read_at = self._clock()
        today = int(known.read_at // DAY_S)
        tallies = await self._journal.tallies.load(provider=provider, model=model, since=today - DAYS)
        known.history.replace(today, tallies)
