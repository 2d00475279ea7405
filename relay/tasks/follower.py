"""
Drives one task: the provider's signals into the lifecycle, its events into the journal.

It owns the order of things and every wait. What an answer means is the provider's to say, what follows from it the
lifecycle's. One follower per task, whatever the number of viewers; no viewer ever waits for it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Literal

from relay import log
from relay.backoff import Bucket, full_jitter
from relay.core.events import Event, Source, Stage, State
from relay.core.lifecycle import Lifecycle
from relay.core.signals import (
    CallbackReceived,
    CancelRequested,
    RecordRead,
    RecordUnreadable,
    Signal,
    StreamLost,
    StreamOpened,
)
from relay.core.snapshot import Snapshot
from relay.core.upstream import Run, UpstreamTask
from relay.errors import UpstreamError, UpstreamUnavailable
from relay.journal.base import SNAPSHOT_EVERY, Journal
from relay.providers.base import Provider
from relay.tasks.admission import Doorway
from relay.tasks.submission import Submission

INBOX_SIGNALS = 256
"""Past this the stream is not read on: the upstream's socket waits, as TCP has it."""

STORE_RETRY_S = 1.0

STOPS_AT_ONCE = 2
STOP_EVERY_S = 10.0
"""How often the platform is asked to stop one task, however often that is asked of the relay."""

LOOKS_AT_ONCE = 3
LOOK_EVERY_S = 5.0
"""How often one task's record is read because of callbacks and cancels, beside the reads that are planned."""


class Follower:
    """The driver of one task. Run it once; `ask_cancel` and `nudge` may be called meanwhile."""

    def __init__(
        self,
        lifecycle: Lifecycle,
        *,
        run: Run,
        provider: Provider,
        journal: Journal,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        doorway: Doorway,
        hold_s: float,
        search_s: float,
        discard: Callable[[], Awaitable[None]],
        upstream: UpstreamTask | None = None,
    ) -> None:
        """
        Args:
            lifecycle: the task where it stands.
            run: what is, or was, sent to start it.
            provider: who carries it.
            journal: where its events go before anybody sees them.
            clock: gives unix seconds, and is never set.
            wall_clock: gives unix seconds as the machine has them, which may jump.
            doorway: shared with all tasks of the provider.
            hold_s: how long the task may wait for a place upstream.
            search_s: for how long to try to look for a run of unknown outcome while the provider cannot be asked.
            discard: throws the run's files away, once it is surely not sent any more.
            upstream: how the upstream knows the task; null before it took it.
        """
        self._lifecycle = lifecycle
        self._provider = provider
        self._journal = journal
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._doorway = doorway
        self._upstream = upstream
        self._inbox: asyncio.Queue[Signal] = asyncio.Queue(INBOX_SIGNALS)
        self._writing = asyncio.Lock()
        self._check: asyncio.Task[None] | None = None
        self._check_failures = 0
        self._check_after = 0.0
        self._nudged = False
        now = self._loop.time()
        self._stops = Bucket(STOPS_AT_ONCE, 1 / STOP_EVERY_S, now)
        self._stopping = asyncio.Lock()
        self._stopped_at = now
        self._stop_refused: UpstreamError | None = None
        self._looks = Bucket(LOOKS_AT_ONCE, 1 / LOOK_EVERY_S, now)
        self._later_look: asyncio.TimerHandle | None = None
        self._log = log.get("follower").bind(task=lifecycle.snapshot.id, provider=provider.name)
        self._submission = Submission(
            task=lifecycle.snapshot.id,
            run=run,
            provider=provider,
            journal=journal,
            doorway=doorway,
            take=self._take,
            state=lambda: self.snapshot,
            clock=clock,
            wall_clock=wall_clock,
            hold_s=hold_s,
            search_s=search_s,
            discard=discard,
        )
        self.snapshot: Snapshot = lifecycle.snapshot
        """The state as it is committed."""

    def __repr__(self) -> str:
        return f"<Follower {self._lifecycle!r}>"

    @property
    def submitted(self) -> asyncio.Future[UpstreamError | None]:
        """Answered when a caller who waits can be told what became of the run; see `Submission.answered`."""
        return self._submission.answered

    async def run(self, *, fresh: bool) -> None:
        """
        Follow the task to its end.

        Args:
            fresh: whether it was made just now, so that it surely has not been sent yet.
        """
        if self._upstream is None:
            if fresh or self.snapshot.state is State.HELD:
                self._upstream = await self._submission.enter()
            else:
                why = "the relay stopped while it submitted the task, and the answer never came"
                self._upstream = await self._submission.look_for(why)
        if not self.submitted.done():
            self.submitted.set_result(None)
        if self._upstream is not None and self.snapshot.done is None:
            if self.snapshot.cancel is not None:  # asked for when nobody knew yet what to stop
                try:
                    await self._stop(self._upstream)
                except UpstreamError as error:
                    self._log.warning("cancel.failed", error=error.detail)
            await self._follow(self._upstream)
        if self._later_look is not None:
            self._later_look.cancel()
        self._doorway.line.freed()

    async def ask_cancel(self, by: str) -> None:
        """
        Have the upstream stop the task. What comes of it is told by the stream and the detail, as always.

        A task that waits in line is withdrawn; one whose run is looked for is stopped when it is found.

        Raises:
            UpstreamError: it cannot be stopped, or could not be asked.
        """
        await self._take([CancelRequested(by=by)])
        upstream = self._upstream
        if upstream is None:  # `run` stops it when it is known
            self._submission.wake()
            await asyncio.shield(self.submitted)
        elif self.snapshot.done is None:
            await self._stop_once(upstream)

    async def nudge(self, named: UpstreamTask | None = None) -> None:
        """Look soon: the upstream called back, and `named` is the task that it proved to be about, if it did."""
        self._nudged = True
        self._submission.name(named)
        await self._look_up()

    async def _look_up(self) -> None:
        """Have the record read now, or later if that was asked for too often: one look serves all who ask meanwhile."""
        if self._later_look is not None:
            return
        if wait_s := self._looks.take(self._loop.time()):
            self._later_look = self._loop.call_later(wait_s, self._look_after_all)
            return
        self._submission.look()
        await self._take([CallbackReceived()])
        with suppress(asyncio.QueueFull):  # the loop is awake anyway, so nobody waits for a place
            self._inbox.put_nowait(CallbackReceived())

    def _look_after_all(self) -> None:
        self._later_look = None
        self._looks.take(self._loop.time())
        self._submission.look()
        try:
            self._inbox.put_nowait(CallbackReceived())
        except asyncio.QueueFull:
            self._later_look = self._loop.call_later(LOOK_EVERY_S, self._look_after_all)

    async def _stop_once(self, upstream: UpstreamTask) -> None:
        """
        Ask the upstream to stop the task. Callers who come while it is being asked, or too often, share the outcome.

        Raises:
            UpstreamError: it cannot be stopped, or could not be asked.
        """
        came_at = self._loop.time()
        async with self._stopping:
            if self._stopped_at <= came_at and not self._stops.take(self._loop.time()):
                self._stop_refused = None
                try:
                    await self._stop(upstream)
                except UpstreamError as error:
                    self._stop_refused = error
                finally:  # whatever it answered, only the record knows; a silent socket would never tell
                    self._stopped_at = self._loop.time()
                    await self._look_up()
            if self._stop_refused is not None:
                raise self._stop_refused.with_traceback(None)

    async def _stop(self, upstream: UpstreamTask) -> None:
        started = any(mark.type is Stage.START for mark in self._lifecycle.snapshot.stages)
        await self._provider.stop(upstream, started=started)

    async def _follow(self, upstream: UpstreamTask) -> None:
        async with asyncio.TaskGroup() as group:
            listener = group.create_task(self._listen(upstream))
            while self.snapshot.done is None:
                await self._take(await self._wait())
                self._start_check(upstream, group)
            listener.cancel()
            if self._check is not None:
                self._check.cancel()
        done = self.snapshot.done
        self._log.info("task.ended", verdict=done.verdict, inferred=done.inferred, seq=self.snapshot.seq)

    async def _wait(self) -> list[Signal]:
        """Return what has come in, at least one signal, or nothing when it is time to do something by ourselves."""
        signals: list[Signal] = []
        if self._inbox.empty():
            times = [self._lifecycle.next_deadline()]
            if self._check is None and self._lifecycle.check_at is not None:
                times.append(max(self._lifecycle.check_at, self._check_after))
            due_at = min((time for time in times if time is not None), default=None)
            try:
                async with asyncio.timeout(None if due_at is None else max(0.0, due_at - self._clock())):
                    signals.append(await self._inbox.get())
            except TimeoutError:
                return []
        while not self._inbox.empty():
            signals.append(self._inbox.get_nowait())
        return signals

    async def _take(
        self, signals: Sequence[Signal], upstream: UpstreamTask | None = None, *, synced: bool = False
    ) -> None:
        """Have the lifecycle judge, and commit what it says: all that came together in one commit."""
        async with self._writing:  # a cancel comes from outside: its events must not overtake others on their way
            now = self._clock()
            events = [event for signal in signals for event in self._lifecycle.receive(signal, now)]
            events += self._lifecycle.handle_deadline(now)
            if any(isinstance(signal, RecordRead | RecordUnreadable) for signal in signals):
                self._check = None
            if events:
                await self._commit(events, upstream, synced=synced)

    async def _commit(self, events: Sequence[Event], upstream: UpstreamTask | None, *, synced: bool) -> None:
        state = self._lifecycle.snapshot
        renew = state.done is not None or state.seq // SNAPSHOT_EVERY != (events[0].seq - 1) // SNAPSHOT_EVERY
        while True:
            try:
                await self._journal.append(
                    events, snapshot=state if renew else None, folded=state, upstream=upstream, synced=synced
                )
            except OSError as error:
                # An operator has to mend a full disk, and no event may be lost meanwhile. The journal has logged it.
                self._log.debug("append.retried", error=str(error), events=len(events))
                await asyncio.sleep(STORE_RETRY_S)
            else:
                break
        self.snapshot = state

    def _start_check(self, upstream: UpstreamTask, group: asyncio.TaskGroup) -> None:
        check_at, now = self._lifecycle.check_at, self._clock()
        if self._check is None and check_at is not None and now >= max(check_at, self._check_after):
            self._check = group.create_task(self._read_detail(upstream))

    async def _read_detail(self, upstream: UpstreamTask) -> None:
        signal: Signal
        nudged, self._nudged = self._nudged, False
        try:
            async with self._doorway.connecting:
                asked_at = self._clock()
                detail = await self._provider.read_record(upstream)
        except UpstreamError as error:
            self._check_failures += 1
            self._check_after = self._clock() + full_jitter(self._check_failures, asked_s=error.retry_after_s)
            signal = RecordUnreadable(why=error.detail)
        else:
            self._check_failures = 0
            asked: Literal[Source.RECONCILED, Source.POLLED]
            asked = Source.RECONCILED if self._provider.streams else Source.POLLED
            source = Source.CALLBACK if nudged else asked
            signal = RecordRead(record=detail, source=source, asked_at=asked_at)
        await self._inbox.put(signal)

    async def _listen(self, upstream: UpstreamTask) -> None:
        """Keep a stream open: what it says goes to the inbox, and so does when it was lost."""
        if not self._provider.streams:
            await self._inbox.put(StreamLost())  # from the first: the record is all there is
            return
        failures = 0
        while True:
            try:
                async with AsyncExitStack() as stack:
                    stream: AsyncIterator[Signal] | None = None
                    async with self._doorway.opening() as may_open:
                        if may_open:
                            stream = await stack.enter_async_context(self._provider.follow(upstream))
                    if stream is not None:
                        await self._inbox.put(StreamOpened())
                        async for signal in stream:
                            failures = 0
                            await self._inbox.put(signal)
            except UpstreamUnavailable as error:
                self._log.warning("upstream.unavailable", error=error.detail)
            await self._inbox.put(StreamLost())
            failures += 1
            await asyncio.sleep(full_jitter(failures))
