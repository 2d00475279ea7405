"""
Limits on what is started and spent, and what a task has cost. Pure.

An account is what a limit is about: everything, the tasks that an API key with a name has started, or those of a tag.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from relay.core.events import Cost, State
from relay.core.history.eta import state_times
from relay.core.history.tally import DAY_S
from relay.core.snapshot import Snapshot

HOUR_S: Final = 3600.0
"""The time in which starts are counted."""

ALL: Final = ""
"""The account of all tasks."""

KEY: Final = "key:"
"""What the account of an API key begins with."""

TAG: Final = "tag:"
"""What the account of a tag begins with."""

EVER: Final = -1
"""The day under which the sum of all days is stored."""

_EPSILON: Final = 1e-9
"""Sums of floating-point numbers are not exact. No platform bills less than this."""

Unit = Literal["usd", "credits"]
Counted = Literal["running", "starts", "usd", "credits"]

COST: Final = "cost:"
"""What the key of a total cost begins with, in the counts of a charge."""


def accounts_of(key: str, tags: Sequence[str]) -> tuple[str, ...]:
    """Return the accounts of a task that the API key with a name has started."""
    return (ALL, *([KEY + key] if key else []), *(TAG + tag for tag in dict.fromkeys(tags)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """
    A limit on an account.

    `running` is a number of tasks that have not ended, `starts` a number of starts within HOUR_S; both are for tags
    only. `usd` and `credits` are what was spent and what is reserved, in that unit.
    """

    account: str
    counted: Counted
    most: float
    day: int | None = None
    """Of spending: the day, in days since 1970-01-01 in UTC. Null: ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exceeded:
    """A limit that would be exceeded, and what counts towards it."""

    limit: Limit
    used: float
    """The number of tasks or starts, or what was spent."""
    reserved: float = 0.0
    """Of spending: what the tasks that have not ended will probably cost."""
    until: float | None = None
    """When it allows a start again if nothing ends before, in unix seconds. Null: unknown."""

    @property
    def left(self) -> float:
        """What may still be spent."""
        return max(0.0, self.limit.most - self.used - self.reserved)


def tasks_exceed(limit: Limit, running: int) -> Exceeded | None:
    """Return the limit on running tasks if it allows no further one."""
    return Exceeded(limit=limit, used=running) if running >= limit.most else None


def starts_exceed(limit: Limit, starts: Sequence[float], now: float) -> Exceeded | None:
    """
    Return the limit on starts if it allows no further one.

    Args:
        limit: the limit.
        starts: the times of the newest starts, newest first: as many as the limit allows, or all if there are fewer.
        now: unix seconds.
    """
    recent = [at for at in starts if at > now - HOUR_S]
    if len(recent) < limit.most:
        return None
    return Exceeded(limit=limit, used=len(recent), until=recent[int(limit.most) - 1] + HOUR_S)


def spending_exceeds(limit: Limit, spent: float, reserved: float, estimate: Cost | None) -> Exceeded | None:
    """
    Return the limit on spending if it does not allow a start.

    A start whose cost is not known is allowed while anything is left. One that is paid in another unit is not limited.
    """
    if estimate is not None and estimate.unit != limit.counted:
        return None
    after = spent + reserved + (0.0 if estimate is None else estimate.amount)
    if spent + reserved < limit.most - _EPSILON and after <= limit.most + _EPSILON:
        return None
    until = None if limit.day is None else (limit.day + 1) * DAY_S
    return Exceeded(limit=limit, used=spent, reserved=reserved, until=until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """
    What a task that has ended has cost, and how it ended.

    `counts` has `count`, `verdict:VERDICT`, `cost:UNIT` with the amount, `unknown_cost`, and `run_s`.
    """

    day: int
    provider: str
    model: str
    """In lower case."""
    key: str
    """The name of the API key that has started it, or the empty text."""
    tags: tuple[str, ...]
    counts: Mapping[str, float]

    def spent(self) -> Iterator[tuple[str, int, Unit, float]]:
        """Return what to add: account, day or EVER, unit and amount."""
        units: tuple[Unit, ...] = ("usd", "credits")
        for account in accounts_of(self.key, self.tags):
            for unit in units:
                if amount := self.counts.get(COST + unit):
                    yield account, self.day, unit, amount
                    yield account, EVER, unit, amount

    def rows(self) -> Iterator["Use"]:
        """Return what to add to the usage: once for all tasks, and once for each tag."""
        for tag in dict.fromkeys(("", *self.tags)):
            yield Use(day=self.day, tag=tag, key=self.key, provider=self.provider, model=self.model, counts=self.counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """The counts of the charges of a day with the same tag, key and model. Without a tag, those of all tasks."""

    day: int
    tag: str
    key: str
    provider: str
    model: str
    counts: Mapping[str, float]

    @property
    def place(self) -> tuple[int, str, str, str, str]:
        """What a store has one row for."""
        return self.day, self.tag, self.key, self.provider, self.model


def charge(state: Snapshot, key: str) -> Charge | None:
    """
    Return what a task is charged; null while it has not ended.

    Without a cost from the platform, it is free if the platform says so or was never called, and otherwise unknown.

    Args:
        state: its last state.
        key: the name of the API key that has started it.
    """
    done, ended_at = state.done, state.ended_at
    if done is None or ended_at is None:
        return None
    counts: dict[str, float] = {"count": 1, f"verdict:{done.verdict}": 1}
    if done.cost is not None:
        counts[COST + done.cost.unit] = done.cost.amount
    elif done.billed is not False and (state.upstream_id is not None or done.verdict == "lost"):
        counts["unknown_cost"] = 1
    if (began := state_times(state).get(State.RUNNING)) is not None:
        counts["run_s"] = max(0.0, ended_at - began)
    return Charge(
        day=math.floor(ended_at / DAY_S),
        provider=state.provider,
        model=state.model.lower(),
        key=key,
        tags=state.tags,
        counts=counts,
    )
