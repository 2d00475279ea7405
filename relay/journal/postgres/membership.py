"""What the journal needs from the part of it that makes this process a node among others."""

from collections.abc import Callable, Sequence
from typing import Protocol

from relay.journal.deletions import DeletedListener
from relay.journal.entries import Appended


class Membership(Protocol):
    """
    This process as a node: its identity, its lease, and what it hears from other nodes.

    When `id` or `epoch` changes, it calls the `reset` that the journal gave it, after the change. It passes the commits
    of other nodes to the journal's `publish`, never the node's own: the writer does that.
    """

    @property
    def id(self) -> str:
        """The node's id, a decimal number."""

    @property
    def epoch(self) -> str:
        """The epoch of the database's history, a word. It changes if commits may have been lost."""

    @property
    def epoch_began_at(self) -> float:
        """When the epoch began, in unix seconds of the database's clock."""

    @property
    def lag_s(self) -> float:
        """For how long there have been commits of other nodes that were not passed to `publish`."""

    @property
    def send_until_s(self) -> float:
        """The end of the lease that the last beat renewed, less MARGIN_S, as `relay.clock.uptime_s` counts."""

    async def start(self) -> None:
        """
        Register the node and start to beat and to listen. The schema is in place.

        Raises:
            StoreError: the store failed.
        """

    async def stop(self) -> None:
        """Stop everything that `start` has started. Idempotent."""

    def batch_committed(self, number: int) -> None:
        """Note that the node has committed batch `number`, so that others hear of it soon."""

    def fenced(self) -> None:
        """Note that a commit was refused because the node is dead: register as a new one, in the background."""

    async def caught_up(self) -> None:
        """
        Wait until `publish` has been called with everything that other nodes had committed before the call.

        A node that takes a task over waits for it: its own events of the task come after those of the former owner.
        """

    async def work(self) -> None:
        """Wait until there may be work for this node (see `relay.journal.base.Journal.work`)."""


class Join(Protocol):
    """Makes this process a node. Nothing happens before `Membership.start`."""

    def __call__(
        self,
        dsn: str,
        name: str | None,
        *,
        publish: Callable[[Sequence[Appended]], None],
        reset: Callable[[], None],
        deleted: DeletedListener,
        last_seq: Callable[[str], int | None],
        viewers: Callable[[], int],
    ) -> Membership:
        """
        Args:
            dsn: the address of the database.
            name: the node's name, which no other process has at the same time; null for one that is not unique.
            publish: called with what a commit of another node appended, in order.
            reset: called after `id` or `epoch` has changed, or when commits of other nodes were skipped.
            deleted: called with the tasks that any node has deleted, at least once for each.
            last_seq: returns the last entry of a task that listeners have received, if it is known.
            viewers: returns how many viewers this process has, for `relay nodes`.
        """
