"""
Keeps the tasks that this node follows in step with those that it owns in a journal shared by several nodes.

A journal that this process has to itself gives it nothing to do.
"""

import asyncio
from collections.abc import Collection
from contextlib import AsyncExitStack
from typing import Self

from relay import log
from relay.backoff import full_jitter
from relay.errors import StoreError
from relay.journal.base import Journal
from relay.tasks.background import Background
from relay.tasks.deliveries import Deliveries
from relay.tasks.supervisor import Supervisor

TAKEN_AT_ONCE = 50
"""How many tasks one call takes over, so that several nodes share those of one that has stopped."""


class Ownership:
    """Takes tasks over, gives them up, and carries out commands for them. Use it as an async context manager."""

    def __init__(self, journal: Journal, supervisor: Supervisor, providers: Collection[str]) -> None:
        """
        Args:
            journal: open, until this has been left.
            supervisor: follows the tasks.
            providers: those with credentials, by name.
        """
        self._journal = journal
        self._supervisor = supervisor
        self._providers = providers
        self._node = journal.node
        self._deliveries = Deliveries(journal, supervisor)
        self._running = AsyncExitStack()
        self._log = log.get("ownership")

    def __repr__(self) -> str:
        return f"<Ownership {self._node}>"

    async def __aenter__(self) -> Self:
        await self._running.enter_async_context(self._deliveries)
        background = await self._running.enter_async_context(Background())
        background.start(self._run())
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        await self._running.aclose()

    async def hand_over(self) -> None:
        """Stop following and give all tasks to the other nodes, if there can be any. Take no more over."""
        if not self._journal.shared:
            return
        await self._running.aclose()
        await self._supervisor.stop()
        try:
            await self._journal.release()
        except StoreError as error:  # the others notice when this node's lease has run out
            self._log.warning("tasks.release_failed", error=str(error))

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                if not failures:
                    await self._journal.work()
                await self._do_work()
            except StoreError as error:
                if not failures:
                    self._log.warning("tasks.take_over_failed", error=str(error))
                failures += 1
            except Exception:  # noqa: BLE001 -- a boundary: without this loop, no task would be taken over any more
                self._log.exception("ownership.crashed")
                failures += 1
            else:
                failures = 0
            if failures:
                await asyncio.sleep(full_jitter(failures))

    async def _do_work(self) -> None:
        if (node := self._journal.node) != self._node:
            self._log.warning("node.replaced", former=self._node, node=node)
            self._node = node
            await self._supervisor.abandon()
        taken = TAKEN_AT_ONCE
        while taken == TAKEN_AT_ONCE and not self._supervisor.draining:
            left = self._supervisor.left_to_others
            taken = len(await self._journal.take_over(self._providers, limit=TAKEN_AT_ONCE, leave=left))
            if taken:
                self._log.info("tasks.taken_over", count=taken)
            for task in await self._journal.owned():  # not only those: an earlier answer may have been lost
                await self._supervisor.take_up(task)
        await self._deliveries.deliver()
