"""The tallies of a journal in memory."""

from collections.abc import Sequence

from relay.core.history.tally import Tally, merged


class MemoryTallies:
    """See `relay.journal.tallies.Tallies`."""

    def __init__(self) -> None:
        self._tallies: dict[tuple[str, str, str, int], Tally] = {}

    def add(self, tally: Tally) -> None:
        """Add the tally of a task."""
        known = self._tallies.get(tally.key)
        self._tallies[tally.key] = tally if known is None else merged(known, tally)

    async def load(self, *, provider: str | None = None, model: str | None = None, since: int = 0) -> Sequence[Tally]:
        return [
            tally
            for _, tally in sorted(self._tallies.items())
            if provider in (None, tally.provider)
            and (model is None or model.lower() == tally.model)
            and tally.day >= since
        ]

    async def forget(self, *, before: int) -> None:
        self._tallies = {key: tally for key, tally in self._tallies.items() if tally.day >= before}
