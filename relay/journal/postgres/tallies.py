"""The table of tallies. See `relay.journal.tallies.Tallies`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from relay.core.history.tally import Tally
from relay.journal import tallies
from relay.journal.postgres.errands import Errands
from relay.journal.postgres.reader import Reader

SELECT: Final = (
    "SELECT provider, model, inputs, day, counts::text, slowest::text, failed::text FROM tallies"
    " WHERE ($1::text IS NULL OR provider = $1) AND ($2::text IS NULL OR model = $2) AND day >= $3"
    " ORDER BY provider, model, inputs, day"
)

REPLACE: Final = (
    "INSERT INTO tallies (provider, model, inputs, day, counts, slowest, failed) VALUES ($1, $2, $3, $4, $5, $6, $7)"
    " ON CONFLICT (provider, model, inputs, day)"
    " DO UPDATE SET counts = excluded.counts, slowest = excluded.slowest, failed = excluded.failed"
)

_FORGET: Final = "DELETE FROM tallies WHERE day < $1"


class PostgresTallies:
    """The tallies of all nodes."""

    def __init__(self, reader: Callable[[], Reader], errands: Callable[[], Errands]) -> None:
        """
        Args:
            reader: returns what reads the database, or raises RuntimeError if the journal is not open.
            errands: the same for what writes it.
        """
        self._reader = reader
        self._errands = errands

    async def load(self, *, provider: str | None = None, model: str | None = None, since: int = 0) -> Sequence[Tally]:
        rows = await self._reader().fetch(SELECT, provider, None if model is None else model.lower(), since)
        return [tallies.decode(*row) for row in rows]

    async def forget(self, *, before: int) -> None:
        await self._errands().run(_FORGET, before)


def tally_row(tally: Tally) -> Mapping[str, object]:
    """Return a tally as the functions of the database take it."""
    return {
        "provider": tally.provider,
        "model": tally.model,
        "inputs": tally.inputs,
        "day": tally.day,
        "counts": tally.counts,
        "slowest": tally.slowest,
        "failed": tally.failed,
    }
