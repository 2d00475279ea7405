"""
Drives one task: the provider's signals into the lifecycle, its events into the journal.

It owns the order of things and every wait. What an answer means is the provider's to say, what follows from it the
lifecycle's. One follower per task, whatever the number of viewers; no viewer ever waits for it.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from relay import log
from relay.core.events import Event, Fault, Stage
from relay.core.lifecycle import Lifecycle
from relay.core.signals import (
    Accepted,
    CancelAsked,
    DetailFailed,
    DetailSeen,
    GivenUp,
    Refused,
    Signal,
    StreamLost,
    StreamOpened,
)
from relay.core.snapshot import Snapshot
from relay.errors import UpstreamError, UpstreamUnavailable, UpstreamUnclear
from relay.journal.base import SNAPSHOT_EVERY, Journal
from relay.providers.base import Provider, Run, UpstreamTask

INBOX_SIGNALS = 256
"""Past this the stream is not read on: the upstream's socket waits, as TCP has it."""

BACKOFF_S = (0.5, 20.0)
"""First and longest wait before the upstream is tried again; the true wait is random below it."""

STORE_RETRY_S = 1.0


def full_jitter(failures: int) -> float:
    """Return how long to wait after so many failures in a row: random, so that a thousand tasks do not come at once."""
    first, longest = BACKOFF_S
    return random.uniform(0, min(longest, first * 2.0 ** min(failures, 16)))  # noqa: S311 -- no secret


class Follower:
    """The driver of one task. Run it once; `ask_cancel` may be called meanwhile."""

    def __init__(
        self,
        lifecycle: Lifecycle,
        *,
        provider: Provider,
        journal: Journal,
        clock: Callable[[], float],
        doorway: asyncio.Semaphore,
        upstream: UpstreamTask | None = None,
    ) -> None:
        """
        Args:
            lifecycle: the task where it stands.
            provider: who carries it.
            journal: where its events go before anybody sees them.
            clock: gives unix seconds.
            doorway: how many followers may be connecting at once, all tasks together.
            upstream: how the upstream knows the task; null before it took it.
        """
        self._lifecycle = lifecycle
        self._provider = provider
        self._journal = journal
        self._clock = clock
        self._doorway = doorway
        self._upstream = upstream
        self._inbox: asyncio.Queue[Signal] = asyncio.Queue(INBOX_SIGNALS)
        self._check: asyncio.Task[None] | None = None
        self._check_failures = 0
        self._check_after = 0.0
        self._log = log.get("follower").bind(task=lifecycle.snapshot.id, provider=provider.name)
        self.snapshot: Snapshot = lifecycle.snapshot
        """The state as it is committed."""
        self.submitted: asyncio.Future[UpstreamError | None] = asyncio.get_running_loop().create_future()
        """Answered when it is known what became of the run: null if the upstream took it, else why not."""

    def __repr__(self) -> str:
        return f"<Follower {self._lifecycle!r}>"

    async def run(self, run: Run | None) -> None:
        """
        Follow the task to its end.

        Args:
            run: what to start first; null for a task that was submitted before.
        """
        if run is not None:
            await self._submit(run)
        elif self._upstream is None:
            why = "the relay was stopped while it submitted the task, and does not know whether it was started"
            await self._take([GivenUp(evidence=(f"relay: {why}",))])
        if not self.submitted.done():
            self.submitted.set_result(None)
        if self.snapshot.done is None and self._upstream is not None:
            await self._follow(self._upstream)

    async def ask_cancel(self, by: str) -> None:
        """
        Have the upstream stop the task. What comes of it is told by the stream and the detail, as always.

        Raises:
            UpstreamError: it cannot be stopped, or could not be asked.
        """
        await self._inbox.put(CancelAsked(by=by))
        await asyncio.shield(self.submitted)
        if self._upstream is not None and self.snapshot.done is None:
            started = any(mark.type is Stage.START for mark in self._lifecycle.snapshot.stages)
            await self._provider.stop(self._upstream, started=started)

    async def _submit(self, run: Run) -> None:
        """Send the run, once. Whatever goes wrong, it is never sent again."""
        outcome: UpstreamError | None = None
        try:
            upstream = await self._provider.run(run)
        except UpstreamUnclear as error:
            outcome = error
            evidence = (f"relay: {error.detail}", "relay: whether it was started is unknown; it is not sent again")
            await self._take([GivenUp(evidence=evidence)])
        except UpstreamError as error:
            outcome = error
            said = error.fault
            fault = Fault(code=said.code, message=said.message) if said else Fault(code=None, message=error.detail)
            await self._take([Refused(fault=fault)])
        else:
            self._upstream = upstream
            await self._take([Accepted(upstream_id=upstream.upstream_id or "")], upstream)
        self._log.info("task.submitted", outcome="accepted" if outcome is None else type(outcome).__name__)
        self.submitted.set_result(outcome)

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
            delay = min(time for time in times if time is not None) - self._clock()
            try:
                async with asyncio.timeout(max(0.0, delay)):
                    signals.append(await self._inbox.get())
            except TimeoutError:
                return []
        while not self._inbox.empty():
            signals.append(self._inbox.get_nowait())
        return signals

    async def _take(self, signals: Sequence[Signal], upstream: UpstreamTask | None = None) -> None:
        """Have the lifecycle judge, and commit what it says: all that came together in one commit."""
        now = self._clock()
        events = [event for signal in signals for event in self._lifecycle.receive(signal, now)]
        events += self._lifecycle.handle_deadline(now)
        if any(isinstance(signal, DetailSeen | DetailFailed) for signal in signals):
            self._check = None
        await self._commit(events, upstream)

    async def _commit(self, events: Sequence[Event], upstream: UpstreamTask | None) -> None:
        if not events:
            return
        state = self._lifecycle.snapshot
        renew = state.done is not None or state.seq // SNAPSHOT_EVERY != (events[0].seq - 1) // SNAPSHOT_EVERY
        while True:
            try:
                await self._journal.append(events, snapshot=state if renew else None, upstream=upstream)
            except OSError as error:  # a full disk is mended by a person; the events must not be lost meanwhile
                self._log.error("journal.failed", error=str(error), events=len(events))
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
        try:
            async with self._doorway:
                detail = await self._provider.detail(upstream)
        except UpstreamError as error:
            self._check_failures += 1
            self._check_after = self._clock() + full_jitter(self._check_failures)
            signal = DetailFailed(why=error.detail)
        else:
            self._check_failures = 0
            signal = DetailSeen(detail=detail)
        await self._inbox.put(signal)

    async def _listen(self, upstream: UpstreamTask) -> None:
        """Keep a stream open: what it says goes to the inbox, and so does when it was lost."""
        failures = 0
        while True:
            try:
                async with AsyncExitStack() as stack:
                    async with self._doorway:
                        stream = await stack.enter_async_context(self._provider.follow(upstream))
                    await self._inbox.put(StreamOpened())
                    async for signal in stream:
                        failures = 0
                        await self._inbox.put(signal)
            except UpstreamUnavailable as error:
                self._log.warning("upstream.unavailable", error=error.detail)
            await self._inbox.put(StreamLost())
            failures += 1
            await asyncio.sleep(full_jitter(failures))
