"""The histories of models, as the journal has them: kept in memory, and read again from time to time."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from relay.core.history.tally import DAY_S, Tally
from relay.core.history.usual import ModelHistory
from relay.journal.base import Journal
from relay.tasks.background import Background

FRESH_S: Final = 600.0
"""How long a history is used before it is read again: other nodes add to it, and old runs lose weight."""

DAYS: Final = 60
"""How many days back runs count. Older ones have a twentieth of the weight of new ones."""

MODELS: Final = 256
"""How many histories are kept in memory. The one that was not used for the longest time is dropped first."""


@dataclass(slots=True, kw_only=True)
class _Known:
    history: ModelHistory = field(default_factory=ModelHistory)
    read_at: float = -math.inf
    """When it was read last."""
    reading: asyncio.Task[None] | None = None
    """What reads it now."""


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

    def __repr__(self) -> str:
        return f"<Histories {len(self._known)}>"

    def of(self, provider: str, model: str) -> ModelHistory:
        """Return the history of a model, and read it in the background if that is due."""
        known = self._use(provider, model)
        self._read_if_due(provider, model, known)
        return known.history

    async def read(self, provider: str, model: str) -> ModelHistory:
        """
        Return the history of a model, read within the last FRESH_S.

        Raises:
            StoreError: the journal cannot be read.
        """
        known = self._use(provider, model)
        if (reading := self._read_if_due(provider, model, known)) is not None:
            await asyncio.shield(reading)
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

    def _read_if_due(self, provider: str, model: str, known: _Known) -> asyncio.Task[None] | None:
        """Return what reads a history, if it is being read."""
        if known.reading is None and not 0 <= self._clock() - known.read_at < FRESH_S:
            known.reading = self._background.start(self._read(provider, model, known))
        return known.reading

    async def _read(self, provider: str, model: str, known: _Known) -> None:
        try:
            now = self._clock()
            today = int(now // DAY_S)
            tallies = await self._journal.tallies.load(provider=provider, model=model, since=today - DAYS)
            known.history.replace(await asyncio.to_thread(ModelHistory, today, tallies))
            known.read_at = now
        finally:
            known.reading = None
