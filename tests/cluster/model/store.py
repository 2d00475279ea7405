"""The tables of the store, and its transactions as pure functions."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from relay.core.events import State
from tests.cluster.model.guards import Guards

T = TypeVar("T")


def put(items: tuple[T, ...], index: int, item: T) -> tuple[T, ...]:
    """Return `items` with `item` at `index`."""
    return (*items[:index], item, *items[index + 1 :])


class Kind(StrEnum):
    """What a commit records about a task."""

    SUBMIT = "submit"
    HOLD = "hold"
    RELEASE = "release"
    ACCEPT = "submitted"
    REFUSE = "done (refused)"
    GIVE_UP = "done (lost)"


STATE_AFTER = {
    Kind.SUBMIT: State.SUBMITTING,
    Kind.HOLD: State.HELD,
    Kind.RELEASE: State.SUBMITTING,
    Kind.ACCEPT: State.QUEUED,
    Kind.REFUSE: State.FAILED,
    Kind.GIVE_UP: State.LOST,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """The one event of a batch. Real batches have many; they are independent of each other."""

    task: int
    seq: int
    kind: Kind


@dataclass(frozen=True, slots=True)
class Registration:
    """The row of one process in `nodes`."""

    alive: bool = True
    """False once another node has fenced this process."""
    batch: int = 0
    """The number of its last committed batch."""
    taken: int | None = None
    """The task to which that batch appended; null if the store refused the entry."""


ALIVE = Registration()
FENCED = Registration(alive=False)


@dataclass(frozen=True, slots=True)
class Head:
    """The row of one task in `heads`."""

    owner: int | None
    """The process that follows the task; null once its run is accepted or the task has ended."""
    seq: int
    state: State


@dataclass(frozen=True, slots=True)
class Store:
    """What one database server has committed."""

    registrations: tuple[Registration | None, ...]
    """By the identity of the process."""
    heads: tuple[Head | None, ...]
    """By task."""
    claim: int | None = None
    """The task that has the idempotency key."""

    def is_alive(self, identity: int | None) -> bool:
        """Return whether a process is registered and not fenced."""
        row = None if identity is None else self.registrations[identity]
        return row is not None and row.alive

    def owned_by(self, identity: int) -> tuple[tuple[int, Head], ...]:
        """Return the tasks of a process, with their heads."""
        return tuple((task, head) for task, head in enumerate(self.heads) if head and head.owner == identity)


class Verdict(StrEnum):
    """The store's answer to a batch."""

    COMMITTED = "committed"
    REFUSED = "refused"
    """The claim belongs to another task, or the task to another process."""
    FENCED = "fenced"
    """The process is not alive, or the store lacks its previous batch."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The store after a statement, and its answer."""

    store: Store
    verdict: Verdict
    wrote: bool = True
    """Whether the statement wrote anything. Only then does its COMMIT wait for the standby."""


def register(store: Store, identity: int) -> Store:
    """Insert the row of a process."""
    return replace(store, registrations=put(store.registrations, identity, ALIVE))


def append(store: Store, me: int, batch: int, entry: Entry, guards: Guards) -> Answer:
    """Commit a batch once, however often the statement is repeated."""
    row = store.registrations[me]
    if row is None or not row.alive or row.batch not in (batch - 1, batch):
        return Answer(store, Verdict.FENCED, wrote=False)
    if row.batch == batch:
        taken = row.taken == entry.task or not guards.repeat_names_taken
        verdict = Verdict.COMMITTED if taken else Verdict.REFUSED
        return Answer(store, verdict, wrote=guards.repeat_writes)
    after = _create(store, me, entry, guards) if entry.kind is Kind.SUBMIT else _extend(store, me, entry, guards)
    row = Registration(batch=batch, taken=entry.task if after else None)
    registered = replace(after or store, registrations=put(store.registrations, me, row))
    return Answer(registered, Verdict.COMMITTED if after else Verdict.REFUSED)


def create_unfenced(store: Store, me: int, entry: Entry, guards: Guards) -> Answer:
    """Create a task in a separate statement: what `fenced_create` prevents."""
    if store.claim == entry.task:
        return Answer(store, Verdict.COMMITTED, wrote=False)
    after = _create(store, me, entry, guards)
    return Answer(after, Verdict.COMMITTED) if after else Answer(store, Verdict.REFUSED, wrote=False)


def release_unfenced(store: Store, entry: Entry) -> Answer:
    """Make a task `submitting`, regardless of its owner: what `fenced_release` prevents."""
    head = store.heads[entry.task]
    if head is None:
        return Answer(store, Verdict.REFUSED, wrote=False)
    released = replace(head, seq=entry.seq, state=State.SUBMITTING)
    return Answer(replace(store, heads=put(store.heads, entry.task, released)), Verdict.COMMITTED)


def drop_claim(store: Store) -> Store:
    """Delete the claim, regardless of its task: what `claim_released_with_done` prevents."""
    return replace(store, claim=None)


def take_over(store: Store, me: int, expired: int) -> Store:
    """Fence the process whose lease has expired, and take the tasks of every process that is not alive."""
    if store.is_alive(expired):
        store = replace(store, registrations=put(store.registrations, expired, FENCED))
    heads = tuple(
        head if head is None or head.owner is None or store.is_alive(head.owner) else replace(head, owner=me)
        for head in store.heads
    )
    return replace(store, heads=heads)


def _create(store: Store, me: int, entry: Entry, guards: Guards) -> Store | None:
    """Insert a task and its claim; return null if another task has the key."""
    if guards.claim_names_winner and store.claim is not None:
        return None
    return replace(store, heads=put(store.heads, entry.task, Head(me, 1, State.SUBMITTING)), claim=entry.task)


def _extend(store: Store, me: int, entry: Entry, guards: Guards) -> Store | None:
    """Append to a log; return null if the task has another owner or its log does not end at the previous event."""
    head = store.heads[entry.task]
    if head is None or head.seq != entry.seq - 1 or (guards.owner_checked and head.owner != me):
        return None
    settled = entry.kind in (Kind.ACCEPT, Kind.REFUSE, Kind.GIVE_UP)
    after = Head(None, 0, STATE_AFTER[entry.kind]) if settled else Head(me, entry.seq, STATE_AFTER[entry.kind])
    releases = entry.kind is Kind.REFUSE and guards.claim_released_with_done and store.claim == entry.task
    return replace(store, heads=put(store.heads, entry.task, after), claim=None if releases else store.claim)
