"""
The use cases: start a task, list tasks, cancel one, take all up again after a restart.

Whatever changes something runs here, in an asyncio task that this module owns: a caller that goes away takes nothing
with it. Who may do what is decided before, in `relay.web`.
"""

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self, TypeVar

from relay import log
from relay.core.lifecycle import Lifecycle, Patience, submit
from relay.core.snapshot import Snapshot
from relay.errors import Code, FieldError, RelayError, RequestError, UpstreamError, UpstreamUnclear
from relay.follower import Follower, full_jitter
from relay.journal.base import Filter, Journal, Place, Record
from relay.providers.base import Provider, Run

CONNECTING_AT_ONCE = 20
"""How many followers may be asking the upstream at once: a hiccup with a thousand tasks is no storm."""

ID_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
ID_LENGTH = 26
"""130 random bits: a task's id is unguessable, URL-safe, and survives being read aloud."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A wish to start a task, checked for its form."""

    model: str
    input: Mapping[str, object] = field(repr=False)
    provider: str | None = None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, object] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A task was made. `refusal` is null if the upstream took it, else why it did not, or why that is not known."""

    snapshot: Snapshot
    refusal: UpstreamError | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A stretch of the list, newest first; `next` is where the next one begins, null at the end."""

    snapshots: tuple[Snapshot, ...]
    next: Place | None


class Tasks:
    """All tasks that this process looks after. Use it as an async context manager."""

    def __init__(
        self,
        journal: Journal,
        providers: Mapping[str, Provider],
        clock: Callable[[], float],
        patience: Patience | None = None,
    ) -> None:
        """
        Args:
            journal: open, and open for as long as this is.
            providers: by name; the first is the one that is used when nobody names one.
            clock: gives unix seconds.
            patience: how long to wait for what.
        """
        self._journal = journal
        self._providers = providers
        self._clock = clock
        self._patience = patience or Patience()
        self._followers: dict[str, Follower] = {}
        self._doorway = asyncio.Semaphore(CONNECTING_AT_ONCE)
        self._work: set[asyncio.Task[Any]] = set()
        self._draining = False
        self._log = log.get("tasks")

    def __repr__(self) -> str:
        return f"<Tasks following={len(self._followers)} work={len(self._work)}>"

    @property
    def following(self) -> int:
        return len(self._followers)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        for work in self._work:
            work.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)

    async def take_up(self) -> None:
        """Follow every task again that has not ended."""
        for task in await self._journal.unended():
            record, snapshot = await self._journal.record(task), await self._journal.snapshot(task)
            if record is not None and snapshot is not None and record.provider in self._providers:
                self._follow(record, snapshot, None)
            else:
                self._log.warning("task.left_alone", task=task, reason="its provider is not configured")

    async def drain(self, within_s: float) -> None:
        """Take no new tasks, and give the submissions under way `within_s` to be answered."""
        self._draining = True
        waiting = [follower.submitted for follower in self._followers.values() if not follower.submitted.done()]
        if waiting:
            await asyncio.wait(waiting, timeout=within_s)

    async def start(self, wish: Start) -> Started:
        """
        Start a task and wait until it is known what became of that. Goes on to the end if the caller is cancelled.

        Raises:
            RequestError: the wish cannot be fulfilled; nothing was made.
        """
        return await self._shielded(self._start(wish))

    async def cancel(self, task: str, by: str) -> Snapshot:
        """
        Stop a task upstream. Goes on if the caller is cancelled. May be called again while the task runs.

        Returns:
            The state once the upstream was asked; `done` comes later, when it confirms.

        Raises:
            RequestError: there is no such task, or it has ended.
            UpstreamError: the upstream cannot stop it, or could not be asked.
        """
        return await self._shielded(self._cancel(task, by))

    async def snapshot(self, task: str) -> Snapshot:
        """
        Return a task's state as it is committed.

        Raises:
            RequestError: there is no such task.
        """
        if (follower := self._followers.get(task)) is not None:
            return follower.snapshot
        if (snapshot := await self._journal.snapshot(task)) is None:
            raise RequestError(Code.NOT_FOUND, "There is no such task.")
        return snapshot

    async def record(self, task: str) -> Record:
        """
        Return what is kept of a task besides its log.

        Raises:
            RequestError: there is no such task.
        """
        if (record := await self._journal.record(task)) is None:
            raise RequestError(Code.NOT_FOUND, "There is no such task.")
        return record

    async def page(self, where: Filter, *, after: Place | None, limit: int) -> Page:
        """Return tasks, newest first, without their log and segments."""
        places = await self._journal.page(where, after=after, limit=limit + 1)
        snapshots = [replace(await self.snapshot(place.id), log=(), segments=()) for place in places[:limit]]
        return Page(snapshots=tuple(snapshots), next=places[limit - 1] if len(places) > limit else None)

    async def _start(self, wish: Start) -> Started:
        if self._draining:
            raise RequestError(Code.DRAINING, "The relay is shutting down; try again in a moment.")
        name = wish.provider or next(iter(self._providers), None)
        if name is None or name not in self._providers:
            known = ", ".join(self._providers) or "none: set WIRO_API_KEY"
            detail = f"There is no provider {name!r} here; configured: {known}."
            raise RequestError(
                Code.INVALID_INPUT, detail, fields=(FieldError(field="provider", message=f"one of: {known}"),)
            )
        now = self._clock()
        task = "".join(secrets.choice(ID_LETTERS) for _ in range(ID_LENGTH))
        event, snapshot = submit(
            task=task, model=wish.model, provider=name, tags=wish.tags, epoch=self._journal.epoch, now=now
        )
        record = Record(
            id=task,
            provider=name,
            model=wish.model,
            created_at=now,
            tags=wish.tags,
            input=wish.input,
            metadata=wish.metadata,
        )
        await self._journal.create(record, event)
        follower = self._follow(record, snapshot, Run(model=wish.model, input=wish.input))
        refusal = await asyncio.shield(follower.submitted)
        return Started(snapshot=follower.snapshot, refusal=refusal)

    async def _cancel(self, task: str, by: str) -> Snapshot:
        follower = self._followers.get(task)
        if follower is None:
            snapshot = await self.snapshot(task)
            state = snapshot.state if snapshot.done else "not followed by this relay"
            raise RequestError(Code.CONFLICT, f"The task cannot be canceled: it is {state}.")
        await follower.ask_cancel(by)
        return follower.snapshot

    def _follow(self, record: Record, snapshot: Snapshot, run: Run | None) -> Follower:
        follower = self._follower(record, snapshot)
        self._followers[record.id] = follower
        self._spawn(self._supervise(record.id, follower, run))
        return follower

    def _follower(self, record: Record, snapshot: Snapshot) -> Follower:
        return Follower(
            Lifecycle(snapshot, self._clock(), self._patience),
            provider=self._providers[record.provider],
            journal=self._journal,
            clock=self._clock,
            doorway=self._doorway,
            upstream=record.upstream,
        )

    async def _supervise(self, task: str, follower: Follower, run: Run | None) -> None:
        """Run a follower; should a fault of ours bring it down, take the task up again from the journal."""
        crashes = 0
        while True:
            try:
                await follower.run(run)
            except Exception:  # noqa: BLE001 -- a task's boundary: one broken task must not end all others
                self._log.exception("follower.crashed", task=task)
            else:
                break
            if not follower.submitted.done():
                detail = "A fault of the relay interrupted the submission; whether the task was started is unknown."
                follower.submitted.set_result(UpstreamUnclear(detail))
            crashes += 1
            await asyncio.sleep(full_jitter(crashes))
            record, snapshot = await self._journal.record(task), await self._journal.snapshot(task)
            if record is None or snapshot is None:
                raise AssertionError(f"the journal has lost task {task}")
            follower, run = self._follower(record, snapshot), None
            self._followers[task] = follower
        del self._followers[task]

    async def _shielded(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.shield(self._spawn(work))

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._settled)
        return task

    def _settled(self, task: asyncio.Task[Any]) -> None:
        self._work.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, RelayError):  # its caller may be gone: somebody must hear of it
            self._log.error("task.crashed", exc_info=error)
