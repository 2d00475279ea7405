"""
The money protocol of several nodes on one store, as a function from a state to all states that can follow.

Modelled, each at any moment:

- A client sends a request, and repeats it at any node with the same idempotency key.
- A node creates the task, sends its run, and commits the answer. If the platform is at capacity, the task is queued and
  sent again. If the platform refuses the run, the claim of the key is released, so the next request creates a task.
- The answer of the platform is lost, and the node searches for the run.
- The answer of a commit is lost, and the node repeats the statement.
- A process crashes, and the node starts another one. A process pauses (SIGSTOP) and continues: it takes no step for any
  number of steps of others.
- A lease expires, and another node fences the process and takes over its tasks. The answer to that can be lost.
- The wait of a commit for the standby is canceled: the primary has the commit, and the standby lacks it.
- The standby is promoted. A process learns of it from the epoch, which it reads when it connects to the new primary.
  Until then it can send what it has a permit for, and it can repeat the statement that was not answered.

Not modelled:

- Durations. A search gives up only when the send window has closed (5 s against 120 s); here the repeat of a commit may
  open the window again, although the relay counts from the first issue. The check of the window and the first byte of
  the run are one step: a process that pauses between them sends late, possibly after the search for the run.
- The platform's task list. A search finds the run of a task if there is one, and never that of another task.
- The order and the limit of the queue, callbacks, cancels, uploads, several providers, and the tail.
- A drain, which gives up tasks without being fenced. A take-over of a running node covers what can follow.
- An old primary that accepts commits after the promotion. The cluster manager must prevent that.
- The search before the first release on a new timeline, which makes a second run after a failover without a synchronous
  standby less likely.
- The expiry of idempotency keys, and different requests with one key.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from tests.cluster.model import store as sql
from tests.cluster.model.guards import Bounds, Guards
from tests.cluster.model.node import COMMITS, Follower, Node, Phase
from tests.cluster.model.store import Answer, Entry, Kind, Store, put

UNANSWERED_REQUEST = (Phase.CREATING, Phase.PERMITTED, Phase.DROPPING_CLAIM)
"""A node handles the requests with one key one after the other; in these phases the first has not been answered."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """The state of the nodes, of both database servers, and of the platform."""

    primary: Store
    standby: Store
    nodes: tuple[Node, ...]
    runs: tuple[int, ...]
    """How many runs the platform has started, by task. A run that it refused was not started."""
    posts: int = 0
    registrations: int = 0
    failovers: int = 0


class Step(NamedTuple):
    """What happens, and the state after it."""

    label: str
    state: Cluster


class Move(NamedTuple):
    """A step of one node: what it does, the node after it, and the rest of the state after it."""

    label: str
    node: Node
    rest: Cluster


@dataclass(frozen=True, slots=True)
class Protocol:
    """The protocol with some guards, within some bounds."""

    guards: Guards
    bounds: Bounds

    def start(self) -> Cluster:
        """Return the state before any node has started."""
        store = Store(registrations=(None,) * self.bounds.registrations, heads=(None,) * self.bounds.posts)
        nodes = (Node(followers=(None,) * self.bounds.posts),) * self.bounds.nodes
        return Cluster(primary=store, standby=store, nodes=nodes, runs=(0,) * self.bounds.posts)

    def steps(self, state: Cluster) -> Iterator[Step]:
        """Yield everything that can happen in a state."""
        able = state.nodes[: state.registrations + 1]  # the nodes are alike, so the first one may start first
        for index, node in enumerate(able):
            for label, moved, rest in self._moves(state, node):
                after = replace(rest, nodes=put(rest.nodes, index, moved))
                if state.failovers == self.bounds.failovers and after.standby is not after.primary:
                    after = replace(after, standby=after.primary)  # it will not be promoted
                yield Step(f"node {'ABCD'[index]} {label}", after)
        if state.failovers < self.bounds.failovers and state.standby != state.primary:
            yield Step("the standby is promoted", replace(state, primary=state.standby, failovers=state.failovers + 1))

    def _moves(self, state: Cluster, node: Node) -> Iterator[Move]:
        """Yield what one node can do."""
        restarts = state.registrations < self.bounds.registrations
        me = node.identity
        if me is None:
            if restarts:
                yield from self._register(state, node)
            return
        if restarts:
            yield Move("crashes", node.stopped(), state)
        if self._has_old_epoch(state, node):
            yield Move("reads the new epoch", node.stopped(), state)
        else:
            if not state.primary.is_alive(me):
                yield Move("learns from its beat that it is fenced", node.stopped(), state)
            yield from self._post(state, node)
            yield from self._take_over(state, node, me)
        for task, follower in enumerate(node.followers):
            if follower is not None:
                yield from self._advance(state, node, me, task, follower)

    def _has_old_epoch(self, state: Cluster, node: Node) -> bool:
        """Return whether the standby has been promoted since a process registered, so that it must register again."""
        return self.guards.new_epoch_registers and node.epoch < state.failovers

    def _register(self, state: Cluster, node: Node) -> Iterator[Move]:
        """Start a process. It does not depend on whether the standby has its registration."""
        me = state.registrations if self.guards.random_identity else state.primary.registrations.index(None)
        primary = sql.register(state.primary, me)
        started = replace(node, identity=me, epoch=state.failovers)
        counted = replace(state, primary=primary, registrations=state.registrations + 1)
        yield Move(f"starts as process {me}", started, replace(counted, standby=primary))
        yield Move(f"starts as process {me}, which the standby does not have", started, counted)

    def _post(self, state: Cluster, node: Node) -> Iterator[Move]:
        """Receive a request while its key is free. A claimed key answers with its task and changes nothing."""
        if state.posts == self.bounds.posts or state.primary.claim is not None:
            return
        if any(follower and follower.phase in UNANSWERED_REQUEST for follower in node.followers):
            return
        creating = node.following(state.posts, Follower(Phase.CREATING))
        yield Move(f"receives a POST and prepares task {state.posts}", creating, replace(state, posts=state.posts + 1))

    def _take_over(self, state: Cluster, node: Node, me: int) -> Iterator[Move]:
        """Take the tasks of a process whose lease has expired, and follow them once the answer has arrived."""
        if state.primary.is_alive(me):
            for expired, row in enumerate(state.primary.registrations):
                after = state.primary if expired == me or row is None else sql.take_over(state.primary, me, expired)
                if after == state.primary:
                    continue
                label = f"takes over from process {expired}"
                informed = node.following_owned(me, after, self.guards)
                for standby, copied in ((after, ""), (state.standby, ", which the standby does not have")):
                    rest = replace(state, primary=after, standby=standby)
                    yield Move(f"{label}{copied}", informed, rest)
                    if informed != node:
                        yield Move(f"{label}{copied}; the answer is lost", node, rest)
        following = node.following_owned(me, state.primary, self.guards)
        if self.guards.owned_tasks_followed and following != node:
            yield Move("follows the tasks that it owns", following, state)

    def _advance(self, state: Cluster, node: Node, me: int, task: int, follower: Follower) -> Iterator[Move]:
        """Take the next step with one task."""
        if (kind := COMMITS.get(follower.phase)) is not None:
            ready = node.unanswered == task or (node.unanswered is None and not self._has_old_epoch(state, node))
            if ready and follower.seq < self.bounds.seq:
                yield from self._commit(state, node, me, Entry(task, follower.seq + 1, kind))
        elif follower.phase is Phase.PERMITTED:
            yield from self._send(state, node, task)
        elif follower.phase is Phase.LOOKING:
            yield self._look(state, node, task)
        else:
            store = sql.drop_claim(state.primary)
            rest = replace(state, primary=store, standby=store)
            yield Move(f"drops the claim of the key after task {task}", node.following(task, None), rest)
            yield Move(f"drops the claim of the key after task {task}; the answer is lost", node, rest)

    def _commit(self, state: Cluster, node: Node, me: int, entry: Entry) -> Iterator[Move]:
        """Issue a statement or its repeat, with each outcome for the standby and for the answer."""
        answer, numbered = self._execute(state.primary, node, me, entry)
        label = f"commits {entry.kind} of task {entry.task}: {answer.verdict}"
        informed = node.answered(answer.verdict, entry, self.guards, numbered=numbered)
        if not answer.wrote:
            yield Move(f"{label}, nothing written", informed, state)
            return
        unanswered = replace(node, unanswered=entry.task)
        copied = replace(state, primary=answer.store, standby=answer.store)
        yield Move(label, informed, copied)
        yield Move(f"{label}; the answer is lost", unanswered, copied)
        uncopied = replace(state, primary=answer.store)
        if not self.guards.synchronous_standby:
            yield Move(f"{label}; the standby does not have it yet", informed, uncopied)
        label = f"{label}; the wait for the standby is canceled"
        yield Move(label, unanswered if self.guards.warning_is_unknown else informed, uncopied)

    def _execute(self, store: Store, node: Node, me: int, entry: Entry) -> tuple[Answer, bool]:
        """Return the answer to a statement, and whether it was a numbered batch."""
        if entry.kind is Kind.SUBMIT and not self.guards.fenced_create:
            return sql.create_unfenced(store, me, entry, self.guards), False
        if entry.kind is Kind.RELEASE and not self.guards.fenced_release:
            return sql.release_unfenced(store, entry), False
        return sql.append(store, me, node.batch + 1, entry, self.guards), True

    def _send(self, state: Cluster, node: Node, task: int) -> Iterator[Move]:
        """Send the run of a task, with each outcome."""
        started = replace(state, runs=put(state.runs, task, state.runs[task] + 1))
        label = f"sends task {task}"
        yield Move(f"{label}: accepted", node.turned(task, Phase.ACCEPTED), started)
        yield Move(f"{label}: accepted, the answer is lost", node.turned(task, Phase.LOOKING), started)
        yield Move(f"{label}: lost on the way", node.turned(task, Phase.LOOKING), state)
        yield Move(f"{label}: at capacity", node.turned(task, Phase.FULL), state)
        yield Move(f"{label}: refused", node.turned(task, Phase.REFUSED), state)
        if self.guards.send_window:
            yield Move(f"misses the send window of task {task}", node.past_window(task, self.guards), state)

    def _look(self, state: Cluster, node: Node, task: int) -> Move:
        """Search for the run of a task, and give up when no process can send it any more."""
        if state.runs[task]:
            return Move(f"finds the run of task {task}", node.turned(task, Phase.ACCEPTED), state)
        nodes = tuple(other.past_window(task, self.guards) for other in state.nodes)
        gives_up = node.turned(task, Phase.NOT_FOUND)
        return Move(f"finds no run of task {task} and gives up", gives_up, replace(state, nodes=nodes))
