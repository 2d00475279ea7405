"""
The canonical form of a state: what a later send can depend on.

Searching only canonical forms reduces the number of states to a third. The form of a state can do whatever the state
can, so the search misses nothing; `test_money.py` checks this. It holds with all guards only: without one of them, a
fenced process may still change the store.
"""

from collections.abc import Mapping

from tests.cluster.model.node import Node, Phase
from tests.cluster.model.protocol import Cluster
from tests.cluster.model.store import ALIVE, FENCED, Registration, Store


def canonical(state: Cluster) -> Cluster:
    """Return the canonical form of a state of the protocol with all guards."""
    batches = {node.identity: node.batch for node in state.nodes}
    standby = _relative(state.standby, batches)
    primary = standby if state.primary is state.standby else _relative(state.primary, batches)
    nodes = tuple(_without_unreadable(node, primary, standby, state.failovers) for node in state.nodes)
    return Cluster(primary, standby, nodes, state.runs, state.posts, state.registrations, state.failovers)


def _relative(store: Store, batches: Mapping[int | None, int]) -> Store:
    """Count the batches of each process from the last one that was answered."""
    rows = tuple(row and _shifted(row, batches.get(identity)) for identity, row in enumerate(store.registrations))
    return store if rows == store.registrations else Store(rows, store.heads, store.claim)


def _shifted(row: Registration, answered: int | None) -> Registration:
    """Keep only what the process can ask for: a dead one asks for nothing, and an answer is needed once."""
    if not row.alive:
        return FENCED
    if answered is None:
        return ALIVE
    ahead = max(row.batch - answered, -1)  # one lost batch fences a process as well as two
    return Registration(batch=ahead, taken=row.taken if ahead > 0 else None) if ahead else ALIVE


def _without_unreadable(node: Node, primary: Store, standby: Store, epoch: int) -> Node:
    """
    Keep what a process can still use.

    A process that is fenced on both servers can use its permits to send. A process that has not read the new epoch can
    also repeat its unanswered statement.
    """
    me, unanswered = node.identity, node.unanswered
    if me is None:
        return node
    if not primary.is_alive(me) and not standby.is_alive(me):
        unanswered = None
    elif node.epoch == epoch:
        return Node(node.followers, me, epoch, 0, unanswered) if node.batch else node
    followers = tuple(
        follower if follower and (follower.phase is Phase.PERMITTED or task == unanswered) else None
        for task, follower in enumerate(node.followers)
    )
    return Node(followers, me, node.epoch, 0, unanswered)
