"""The part of the journal's contract that is about several nodes, for a journal that one process has to itself."""

import asyncio
import math
from collections.abc import Collection
from typing import Final

from relay.journal.nodes import Command, Node

NODE: Final = "sole"
"""The id of the only node."""


class SoleNode:
    """A journal whose only node owns every task, so there is nothing to take over, to give up or to wait for."""

    shared = False

    @property
    def node(self) -> str:
        return NODE

    @property
    def complete_since(self) -> float:
        return -math.inf

    async def take_over(
        self, _providers: Collection[str], *, limit: int, leave: Collection[str] = ()
    ) -> tuple[str, ...]:
        return ()

    async def give_back(self, _task: str) -> None:
        """Keep the task: no other node can have it."""

    async def release(self) -> None:
        """Keep the tasks: the next process with this journal owns them."""

    async def sending(self, _provider: str) -> tuple[str, ...]:
        return ()

    async def sent(self, _task: str) -> None:
        """Note nothing: the process knows by itself which runs it is sending."""

    async def command(self, command: Command) -> None:
        """
        Refuse: the owner of every task is this process, which needs no command.

        Raises:
            ValueError: always.
        """
        raise ValueError(f"the owner of task {command.task} is this process")

    async def commands(self) -> tuple[Command, ...]:
        return ()

    async def finish(self, _command: str) -> None:
        """Do nothing: there are no commands."""

    async def work(self) -> None:
        """Wait for ever."""
        await asyncio.get_running_loop().create_future()

    async def nodes(self) -> tuple[Node, ...]:
        return ()
