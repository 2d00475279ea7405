"""
A journal in memory that several nodes of one process share, to test what a relay does with one.

Each node has a view of the store, which is the journal that it opens. Tests declare nodes dead.
"""

import asyncio
import itertools
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

from relay.clock import uptime_s
from relay.core.events import Event, State
from relay.core.history.tally import Tally
from relay.core.snapshot import Snapshot
from relay.core.spending import Charge, Limit
from relay.core.upstream import UpstreamTask
from relay.errors import Fenced, StoreError
from relay.journal.base import Claim, Created, Journal, StoredTask
from relay.journal.deletions import DeletedListener
from relay.journal.entries import Appended, Listener
from relay.journal.file_copies import FileCopy
from relay.journal.memory import MemoryJournal
from relay.journal.nodes import Command, Node
from relay.journal.outbox import Webhook

TICK_S = 0.1
"""How long `work` waits at most."""


class SharedStore:
    """What the nodes share: the tasks, and who owns them."""

    def __init__(self, *, history_events: int = 10_000, history_bytes: int = 16 * 2**20) -> None:
        self.memory = MemoryJournal(history_events=history_events, history_bytes=history_bytes)
        self.owners: dict[str, str] = {}
        self.alive: set[str] = set()
        self.in_line: set[str] = set()
        self.sending: set[str] = set()
        self.commands: dict[str, Command] = {}
        self.opened = 0
        self.writer = ""
        """The node whose commit is being published."""
        self.numbers: Iterator[int] = itertools.count(1)
        self.woken: list[asyncio.Event] = []
        self.memory.listen(self._note)  # the first listener: the others may read at once

    def node(self) -> "SharedJournal":
        """Return a view for one more node."""
        return SharedJournal(self)

    def wake(self) -> None:
        """Let every node look for work."""
        for woken in self.woken:
            woken.set()

    def unended(self) -> list[StoredTask]:
        tasks = self.memory._by_age()
        return [task.stored for task in tasks if not task.state.ended]

    def _note(self, appended: Sequence[Appended]) -> None:
        """Note which tasks are queued and whose runs are being sent."""
        for each in appended:
            for entry in each.entries:
                if entry.state is State.HELD:
                    self.in_line.add(each.task)
                if entry.state is not State.SUBMITTING:
                    self.sending.discard(each.task)
                elif entry.type == "hold" or (entry.type == "submit" and not self._is_known(each.task)):
                    self.sending.add(each.task)
                if entry.state not in (State.SUBMITTING, State.HELD):
                    self.in_line.discard(each.task)

    def _is_known(self, task: str) -> bool:
        """Return whether a new task was attached to, so that no run is sent."""
        return self.memory._tasks[task].stored.upstream is not None


class SharedJournal:
    """The journal of one node. What is not defined here is that of the memory journal."""

    shared = True

    def __init__(self, store: SharedStore) -> None:
        self.store = store
        self.send_for_s = 600.0
        """For how long a commit permits to send a run."""
        self.fails = 0
        """How many calls about ownership fail from now on."""
        self.fails_to_note = 0
        """How many calls of `sent` fail from now on."""
        self._is_open = False
        self._node = ""
        self._woken = asyncio.Event()
        store.woken.append(self._woken)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store.memory, name)

    @property
    def journal(self) -> Journal:
        """The view as the relay takes it."""
        return cast("Journal", self)

    @property
    def epoch(self) -> str:
        return self.store.memory.epoch

    @property
    def node(self) -> str:
        return self._node

    async def open(self, *, lock: bool) -> None:
        await self.store.memory.open(lock=lock)
        self._register()
        self._is_open = True
        self.store.opened += 1

    async def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self.die()
            self.store.opened -= 1
            if not self.store.opened:
                await self.store.memory.close()

    def die(self) -> None:
        """Declare this node dead: others take its tasks over, and its next write is refused."""
        self.store.alive.discard(self._node)
        self.store.wake()

    async def create(
        self,
        task: StoredTask,
        event: Event,
        *,
        claim: Claim | None = None,
        expired_before: float = -math.inf,
        limits: Sequence[Limit] = (),
    ) -> Created:
        self.store.memory._check_open()
        self._check_alive()
        self.store.writer = self._node
        known = task.id in self.store.owners
        if not known:
            self.store.owners[task.id] = self._node
        try:
            created = await self.store.memory.create(
                task, event, claim=claim, expired_before=expired_before, limits=limits
            )
        except BaseException:
            if not known:
                del self.store.owners[task.id]
            raise
        if created.winner is not None or created.exceeded is not None:
            del self.store.owners[task.id]
        return replace(created, send_until_s=uptime_s() + self.send_for_s)

    async def append(
        self,
        events: Sequence[Event],
        *,
        snapshot: Snapshot | None = None,
        folded: Snapshot | None = None,
        upstream: UpstreamTask | None = None,
        synced: bool = False,
        frees_key: bool = False,
        copies: Sequence[FileCopy] = (),
        webhooks: Sequence[Webhook] = (),
        tally: Tally | None = None,
        charge: Charge | None = None,
    ) -> float:
        self.store.memory._check_open()
        task = events[0].task if events else None
        if task in self.store.owners:
            self._check_alive()
            if self.store.owners[task] != self._node:
                raise Fenced(f"task {task} belongs to another node")
        self.store.writer = self._node
        await self.store.memory.append(
            events,
            snapshot=snapshot,
            folded=folded,
            upstream=upstream,
            synced=synced,
            frees_key=frees_key,
            copies=copies,
            webhooks=webhooks,
            tally=tally,
            charge=charge,
        )
        return uptime_s() + self.send_for_s

    async def find_claim(self, key: str) -> Claim | None:
        return await self.store.memory.find_claim(key)

    async def owned(self) -> tuple[str, ...]:
        self._maybe_fail()
        everything = await self.store.memory.owned()
        return tuple(task for task in everything if self.store.owners[task] == self._node)

    async def take_over(
        self, providers: Collection[str], *, limit: int, leave: Collection[str] = ()
    ) -> tuple[str, ...]:
        self._maybe_fail()
        orphans = [
            task.id
            for task in self.store.unended()
            if task.provider in providers
            and self.store.owners[task.id] not in self.store.alive
            and task.id not in leave
        ][:limit]
        for task in orphans:
            self.store.owners[task] = self._node
            self.store.sending.discard(task)
            self.store.in_line.discard(task)
            if self.store.memory._tasks[task].state is State.HELD:
                self.store.in_line.add(task)
        return tuple(orphans)

    async def give_back(self, task: str) -> None:
        self.store.owners[task] = ""
        self.store.in_line.discard(task)
        self.store.wake()

    async def release(self) -> None:
        for task, owner in self.store.owners.items():
            if owner == self._node:
                self.store.owners[task] = ""
        self.store.wake()

    async def queued(self, provider: str) -> tuple[str, ...]:
        self._maybe_fail()
        in_line = self.store.in_line
        return tuple(task.id for task in self.store.unended() if task.provider == provider and task.id in in_line)

    async def sending(self, provider: str) -> tuple[str, ...]:
        return tuple(
            task.id
            for task in self.store.unended()
            if task.provider == provider
            and task.id in self.store.sending
            and self.store.owners[task.id] not in (self._node, "")
        )

    async def sent(self, task: str) -> None:
        if self.fails_to_note:
            self.fails_to_note -= 1
            raise StoreError("the engine is down")
        self.store.sending.discard(task)
        self.store.in_line.discard(task)

    async def command(self, command: Command) -> None:
        self._maybe_fail()
        self.store.commands[command.id] = command
        self.store.wake()

    async def commands(self) -> tuple[Command, ...]:
        self._maybe_fail()
        return tuple(each for each in self.store.commands.values() if self.store.owners[each.task] == self._node)

    async def finish(self, command: str) -> None:
        self.store.commands.pop(command, None)

    async def work(self) -> None:
        try:
            async with asyncio.timeout(TICK_S):
                await self._woken.wait()
        except TimeoutError:
            pass
        self._woken.clear()
        if self._node not in self.store.alive:
            self._register()

    async def nodes(self) -> tuple[Node, ...]:
        return ()

    def listen(
        self,
        listener: Listener,
        *,
        reset: Callable[[], None] | None = None,
        deleted: DeletedListener | None = None,
    ) -> Callable[[], None]:
        def heard(appended: Sequence[Appended]) -> None:
            own = self.store.writer == self._node
            listener(appended if own else [replace(each, folded=None) for each in appended])

        return self.store.memory.listen(heard, reset=reset, deleted=deleted)

    def _register(self) -> None:
        self._node = f"node-{next(self.store.numbers)}"
        self.store.alive.add(self._node)

    def _check_alive(self) -> None:
        if self._node not in self.store.alive:
            self._register()
            self._woken.set()
            raise Fenced("this node was declared dead")

    def _maybe_fail(self) -> None:
        if self.fails:
            self.fails -= 1
            raise StoreError("the engine is down")
