"""The contract of the accounts of a journal: what was started and spent, which outlives the tasks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import orjson

from relay.core.spending import Unit, Use

KEPT_DAYS: Final = 400
"""How long the usage of each day is kept. What was ever spent is kept for good."""

SPENT_DAYS: Final = 3
"""How long what was spent on a day is kept for the limits."""


class Accounts(Protocol):
    """
    What was started and spent. Open as long as its journal is.

    `Journal.create` compares it with the limits and adds a start, in one commit. `Journal.append` adds a charge in the
    same commit as the end of a task, so each task is charged once. What is reserved is the estimates of the tasks that
    have not ended: it is released by their end and cannot be left behind.
    """

    async def usage(self, *, since: int, until: int, tagged: bool) -> Sequence[Use]:
        """
        Return what was charged.

        Args:
            since: the first day.
            until: the last day.
            tagged: whether by tag. A task with two tags counts under both; one without any does not count.

        Raises:
            StoreError: the store failed.
        """

    async def spent(self, account: str, day: int, unit: Unit) -> float:
        """Return what was spent on a day, or on all days with `EVER`."""

    async def forget(self, *, now: float) -> None:
        """
        Delete starts, daily sums and usage that are not needed any more at a time in unix seconds.

        Raises:
            StoreError: the store failed; nothing was deleted.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFacts:
    """All rows of the accounts, for a copy of the store."""

    starts: tuple[tuple[str, float, str], ...] = ()
    """Tag, time and task each."""
    spent: tuple[tuple[str, int, str, float], ...] = ()
    """Account, day, unit and amount each."""
    usage: tuple[Use, ...] = ()


def decode(day: int, tag: str, key: str, provider: str, model: str, counts: bytes | str) -> Use:
    """Return the use of a stored row."""
    return Use(day=day, tag=tag, key=key, provider=provider, model=model, counts=orjson.loads(counts))
