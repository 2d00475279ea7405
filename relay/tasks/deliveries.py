"""Carries out the commands that other nodes have stored for the tasks of this one."""

from typing import Self

from relay import log
from relay.errors import Fenced, UpstreamError
from relay.journal.base import Journal
from relay.journal.nodes import Command, Order
from relay.tasks.background import Background
from relay.tasks.follower import Follower
from relay.tasks.supervisor import Supervisor


class Deliveries:
    """
    The commands that are being carried out. Use it as an async context manager.

    A command is deleted after it was carried out, so a node that takes the task over meanwhile does it again.
    """

    def __init__(self, journal: Journal, supervisor: Supervisor) -> None:
        """
        Args:
            journal: has the commands.
            supervisor: follows the tasks.
        """
        self._journal = journal
        self._supervisor = supervisor
        self._background = Background()
        self._canceling: set[str] = set()
        """The ids of commands."""
        self._log = log.get("deliveries")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._background.__aexit__(*exc_info)

    async def deliver(self) -> None:
        """
        Begin to carry out all commands for this node's tasks.

        Raises:
            StoreError: the journal failed.
        """
        for command in await self._journal.commands():
            follower = self._supervisor.get(command.task)
            if follower is None:  # it may not be followed yet
                snapshot = await self._journal.snapshot(command.task)
                if snapshot is None or snapshot.done is not None:
                    await self._journal.finish(command.id)
            elif follower.closed:  # the next owner does it
                continue
            elif command.order is Order.CALLED_BACK:
                await self._call_back(command, follower)
            elif command.id not in self._canceling:
                self._canceling.add(command.id)
                self._background.start(self._cancel(command, follower))

    async def _call_back(self, command: Command, follower: Follower) -> None:
        follower.called_back(command.named)
        # The task that a callback named is in the memory of this process alone until the search has adopted it.
        if command.named is None or follower.snapshot.upstream_id is not None:
            await self._journal.finish(command.id)

    async def _cancel(self, command: Command, follower: Follower) -> None:
        try:
            await follower.cancel(command.by)
        except UpstreamError as error:
            self._log.warning("cancel.failed", task=command.task, error=error.detail)
        except Fenced:  # the next owner does it
            return
        finally:
            self._canceling.discard(command.id)
        await self._journal.finish(command.id)
