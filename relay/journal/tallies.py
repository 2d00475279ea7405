"""The contract of the tallies of a journal: what is kept of tasks that have ended, after the tasks are gone."""

from collections.abc import Sequence
from typing import Any, Final, Protocol

import orjson

from relay.core.history.tally import Tally

KEPT_DAYS: Final = 400
"""How long tallies are kept: a year can be compared with the year before."""


class Tallies(Protocol):
    """
    The tallies of all tasks. Open as long as its journal is.

    `Journal.append` adds the tally of a task in the same commit as its last event, so each task is counted once.
    """

    async def load(self, *, provider: str | None = None, model: str | None = None, since: int = 0) -> Sequence[Tally]:
        """
        Return tallies, by provider, model, input class and day.

        Args:
            provider: only those of this provider.
            model: only those of this model, in any case.
            since: only those from this day on.

        Raises:
            StoreError: the store failed.
        """

    async def forget(self, *, before: int) -> None:
        """
        Delete the tallies of the days before a day.

        Raises:
            StoreError: the store failed; nothing was deleted.
        """


def encode(tally: Tally) -> tuple[bytes, bytes, bytes]:
    """Return the counters, the slowest and the failed tasks as JSON."""
    return orjson.dumps(tally.counts), orjson.dumps(tally.slowest), orjson.dumps(tally.failed)


def decode(
    provider: str, model: str, inputs: str, day: int, counts: bytes | str, slowest: bytes | str, failed: bytes | str
) -> Tally:
    """Return the tally of a stored row."""
    return Tally(
        provider=provider,
        model=model,
        inputs=inputs,
        day=day,
        counts=orjson.loads(counts),
        slowest=_tasks(orjson.loads(slowest)),
        failed=_tasks(orjson.loads(failed)),
    )


def _tasks(listed: list[Any]) -> tuple[tuple[float, str], ...]:
    return tuple((number, task) for number, task in listed)
