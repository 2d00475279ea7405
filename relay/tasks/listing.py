"""The use cases that list and count tasks."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from relay.core.events import ENDED, State
from relay.core.snapshot import Snapshot
from relay.journal.base import UNFINISHED, Journal
from relay.journal.lists import Filter, ListPosition

COUNTED: Final = 10_000
"""Up to which number the tasks of a final state are counted: a store can have millions."""

COUNTED_FOUND: Final = 1000
"""The same for all states if the tasks must be searched for."""


class Order(StrEnum):
    """The order of a list."""

    NEWEST = "newest"
    ATTENTION = "attention"
    """The stalled tasks, then the others that have not ended, then those that have; each from the newest on."""

    def groups(self, where: Filter) -> "tuple[Filter | None, ...]":
        """Return the lists that one list consists of, one after the other; null for one that cannot have tasks."""
        if self is Order.NEWEST:
            return (where,)
        unfinished = _with_states(where, UNFINISHED)
        return (
            None if unfinished is None or where.stalled is False else replace(unfinished, stalled=True),
            None if unfinished is None or where.stalled else replace(unfinished, stalled=False),
            None if where.stalled else _with_states(where, ENDED),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A position in a list: after a position in one of the groups of its order."""

    group: int = 0
    position: ListPosition


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of the task list. `next` is where the next page begins, null at the end."""

    snapshots: tuple[Snapshot, ...]
    next: Place | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many tasks there are."""

    states: Mapping[State, int]
    """In each state, zero included."""
    stalled: int
    at_least: tuple[State, ...]
    """The states of which there may be more."""


class Lists:
    """Lists and counts tasks."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def page(self, where: Filter, *, order: Order = Order.NEWEST, after: Place | None = None, limit: int) -> Page:
        """Return tasks without log and segments. Tasks whose rows are damaged are left out."""
        places: list[Place] = []
        groups = list(enumerate(order.groups(where)))
        for number, group in groups if after is None else groups[after.group :]:
            if group is not None and len(places) <= limit:
                position = after.position if after is not None and after.group == number else None
                found = await self._journal.page(group, after=position, limit=limit + 1 - len(places))
                places += [Place(group=number, position=each) for each in found]
        # A task may have moved from one group to the next meanwhile.
        listed = dict.fromkeys(place.position.id for place in places[:limit])
        snapshots = await self._journal.snapshots(list(listed))
        return Page(
            snapshots=tuple(replace(snapshot, log=(), segments=()) for snapshot in snapshots),
            next=places[limit - 1] if len(places) > limit else None,
        )

    async def prompts(self, tasks: Sequence[Snapshot]) -> Mapping[str, str]:
        """Return the beginnings of the prompts of tasks by id, of those that have one."""
        return await self._journal.prompts([task.id for task in tasks])

    async def counts(self, where: Filter) -> Counts:
        """Return how many tasks match: exactly for states of unfinished tasks, unless they are searched for."""
        found = COUNTED_FOUND if where.words else None
        counts: dict[State, int] = {}
        at_least: list[State] = []
        for states, limit in ((UNFINISHED, found), (ENDED, found or COUNTED)):
            if (group := _with_states(where, states)) is not None:
                some = await self._journal.count(group, limit=limit)
                counts |= some
                at_least += [state for state, count in some.items() if limit is not None and count >= limit]
        stalled = next((group for group in Order.ATTENTION.groups(where) if group is not None and group.stalled), None)
        silent = {} if stalled is None else await self._journal.count(stalled, limit=found)
        return Counts(
            states={state: counts.get(state, 0) for state in State},
            stalled=sum(silent.values()),
            at_least=tuple(state for state in State if state in at_least),
        )


def _with_states(where: Filter, states: Collection[State]) -> Filter | None:
    """Return a filter that is limited to some states; null if no state is left."""
    left = tuple(state for state in where.states or tuple(State) if state in states)
    return replace(where, states=left) if left else None
