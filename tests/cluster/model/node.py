"""One process of the relay: what it knows about its tasks, and how an answer changes that."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

from relay.core.events import State
from tests.cluster.model.guards import Guards
from tests.cluster.model.store import Entry, Head, Kind, Store, Verdict, put


class Phase(StrEnum):
    """What a node does next with a task."""

    CREATING = "creating"
    PERMITTED = "permitted"
    """The commit into `submitting` is acknowledged: the run may be sent once, within the send window."""
    FULL = "full"
    """The platform is at capacity, or the send window has closed."""
    HELD = "held"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    DROPPING_CLAIM = "dropping claim"
    LOOKING = "looking"
    """The run may have been sent, so the node searches for it and does not send it."""
    NOT_FOUND = "not found"


COMMITS = {
    Phase.CREATING: Kind.SUBMIT,
    Phase.FULL: Kind.HOLD,
    Phase.HELD: Kind.RELEASE,
    Phase.ACCEPTED: Kind.ACCEPT,
    Phase.REFUSED: Kind.REFUSE,
    Phase.NOT_FOUND: Kind.GIVE_UP,
}
"""What a node commits next."""

PHASE_AFTER = {Kind.SUBMIT: Phase.PERMITTED, Kind.HOLD: Phase.HELD, Kind.RELEASE: Phase.PERMITTED}
"""The phase after a commit. After any other commit, the task no longer matters to the model."""


@dataclass(frozen=True, slots=True)
class Follower:
    """What a node knows about one task."""

    phase: Phase
    seq: int = 0
    """The last event that the node knows to be committed."""


@dataclass(frozen=True, slots=True)
class Node:
    """One process. A crash loses everything in it."""

    followers: tuple[Follower | None, ...]
    """By task."""
    identity: int | None = None
    """Null if the node is down."""
    epoch: int = 0
    """The number of failovers before it registered."""
    batch: int = 0
    """The number of the last batch that the store has answered."""
    unanswered: int | None = None
    """The task whose statement was not answered. The next statement must be its repeat."""

    def stopped(self) -> Self:
        """Return the node without a process."""
        return type(self)((None,) * len(self.followers))

    def following(self, task: int, follower: Follower | None) -> Self:
        """Return the node with new knowledge about a task."""
        return replace(self, followers=put(self.followers, task, follower))

    def turned(self, task: int, phase: Phase) -> Self:
        """Return the node with a task in another phase."""
        follower = self.followers[task]
        assert follower is not None
        return self.following(task, Follower(phase, follower.seq))

    def answered(self, verdict: Verdict, entry: Entry, guards: Guards, *, numbered: bool) -> Self:
        """Return the node after the answer to a statement; `numbered` says whether it was a batch."""
        if verdict is Verdict.FENCED:
            return self.stopped()
        node = replace(self, unanswered=None, batch=self.batch + numbered)
        phase = PHASE_AFTER.get(entry.kind)
        if entry.kind is Kind.REFUSE and not guards.claim_released_with_done:
            phase = Phase.DROPPING_CLAIM
        known = None if verdict is Verdict.REFUSED or phase is None else Follower(phase, entry.seq)
        return node.following(entry.task, known)

    def following_owned(self, identity: int, store: Store, guards: Guards) -> Self:
        """Return the node after it has begun to follow each task that it owns and does not follow yet."""
        node = self
        for task, head in store.owned_by(identity):
            if node.followers[task] is None:
                node = node.following(task, _taken_over(head, guards))
        return node

    def past_window(self, task: int, guards: Guards) -> Self:
        """Return the node after the send window of a task has closed."""
        follower = self.followers[task]
        if guards.send_window and follower is not None and follower.phase is Phase.PERMITTED:
            return self.turned(task, Phase.FULL)
        return self


def _taken_over(head: Head, guards: Guards) -> Follower:
    if head.state is State.HELD:
        return Follower(Phase.HELD, head.seq)
    return Follower(Phase.LOOKING if guards.thief_only_looks else Phase.PERMITTED, head.seq)
