"""
Follows one task to its end: submits it, listens to its stream, reads its record, and commits the resulting events.

There is one follower per task, regardless of the number of viewers, and it never waits for a viewer. The provider
interprets each answer, and the lifecycle decides which events follow from it.
"""

import asyncio
from contextlib import aclosing, suppress

from relay import log
from relay.core.events import Stage, State
from relay.core.lifecycle import Lifecycle
from relay.core.signals import CallbackReceived, CancelRequested, Refused, Signal
from relay.core.snapshot import Snapshot
from relay.core.upstream import UpstreamTask
from relay.errors import Fenced, UpstreamError, UpstreamUnclear
from relay.journal.nodes import Command, Order
from relay.tasks.context import TaskContext
from relay.tasks.end_line import end_line
from relay.tasks.ids import random_id
from relay.tasks.inbox import Inbox
from relay.tasks.record_reader import RecordReader
from relay.tasks.stopper import Stopper
from relay.tasks.stream import listen
from relay.tasks.submission import Submission
from relay.tasks.task_log import STORE_RETRY_S, TaskLog
from relay.tasks.throttle import Throttle

INBOX_SIGNALS = 256
"""While this many signals wait to be committed, the stream is not read."""

CHECKS_AT_ONCE = 3
CHECK_EVERY_S = 5.0
"""How often the record is read because of callbacks and cancels, in addition to the reads that are planned."""


class Follower:
    """The follower of one task. `run` it once; `cancel` and `called_back` may be called meanwhile."""

    def __init__(self, lifecycle: Lifecycle, context: TaskContext) -> None:
        """
        Args:
            lifecycle: the task as the journal has it.
            context: what the follower needs.
        """
        self._lifecycle = lifecycle
        self._context = context
        self._upstream = context.stored.upstream
        self._answered_with: UpstreamTask | None = None
        """How the platform identified the task when it answered, whether or not that could be committed."""
        self._task_log = TaskLog(lifecycle, context)
        self._inbox = Inbox(INBOX_SIGNALS)
        self._submission = Submission(context, lifecycle.snapshot)
        self._reader = RecordReader(context, self._inbox)
        self._extra_checks = Throttle(self._check, at_once=CHECKS_AT_ONCE, every_s=CHECK_EVERY_S)
        self._stopper = Stopper(context.provider, self._extra_checks.trigger)
        self._log = log.get("follower").bind(task=context.stored.id, provider=context.provider.name)
        self.submitted: asyncio.Future[UpstreamError | None] = asyncio.get_running_loop().create_future()
        """
        Done when the client that started the task can be answered.

        Null if the provider accepted the task or it is queued, else why not. `UpstreamUnclear`: that is unknown.
        """

    def __repr__(self) -> str:
        return f"<Follower {self._task_log!r}>"

    @property
    def snapshot(self) -> Snapshot:
        """The task's committed state."""
        return self._task_log.snapshot

    @property
    def closed(self) -> bool:
        """Whether nothing is written any more, because another node owns the task."""
        return self._task_log.closed

    async def run(self, *, send_until_s: float | None) -> None:
        """
        Follow the task to its end, or until another node owns it.

        Args:
            send_until_s: until when its run may be sent, as `relay.clock.uptime_s` counts, if the task has just been
                created. Null: its run may have been sent already, unless it is queued.
        """
        try:
            await self._run(send_until_s)
        except* Fenced:
            await self._hand_over()
        finally:
            self._extra_checks.close()
            self._inbox.close()

    def fence(self) -> bool:
        """
        Write nothing from now on: another node owns the task. Return whether `run` may be cancelled.

        If not, the run is being sent. The answer to it is passed on to that node.
        """
        self._task_log.closed = True
        self.answer(self._handed_over())
        return not self._submission.sending

    async def _run(self, send_until_s: float | None) -> None:
        if self._upstream is None:
            self._upstream = await self._submit(send_until_s)
        self.answer(None)
        if self._upstream is not None and self.snapshot.done is None:
            if self.snapshot.cancel is not None:  # it was canceled before the relay knew what to stop
                try:
                    await self._stop(self._upstream)
                except UpstreamError as error:
                    self._log.warning("cancel.failed", error=error.detail)
            await self._follow(self._upstream)
        if self.snapshot.done is not None:
            self._log.info("task.ended", **end_line(self.snapshot, self._context.stored.started_by))
        self._context.admission.queue.wake_first()

    def answer(self, refusal: UpstreamError | None) -> None:
        """Answer the client that started the task, if it has not been answered."""
        if not self.submitted.done():
            self.submitted.set_result(refusal)

    async def cancel(self, by: str) -> None:
        """
        Ask the platform to stop the task. The stream and the record show whether it did.

        A queued task is withdrawn; one whose run is being searched for is stopped when it is found.

        Raises:
            UpstreamError: it cannot be stopped, or the platform could not be called.
            Fenced: another node owns the task.
        """
        await self._task_log.write([CancelRequested(by=by)])
        upstream = self._upstream
        if upstream is None:  # `run` stops it once it is known
            self._submission.cancel()
            await asyncio.shield(self.submitted)
        elif self.snapshot.done is None:
            await self._stop(upstream)

    def called_back(self, named: UpstreamTask | None = None) -> None:
        """
        Check the task soon: the platform called back.

        Args:
            named: the upstream task that the callback proved to be about; null if it proved nothing.
        """
        self._reader.called_back()
        self._submission.search.called_back(named)
        self._extra_checks.trigger()

    def _check(self) -> bool:
        self._submission.search.look_soon()
        with suppress(asyncio.QueueFull):
            self._inbox.put_nowait(CallbackReceived())
            return True
        return False

    async def _submit(self, send_until_s: float | None) -> UpstreamTask | None:
        """Submit the task and return how the provider identifies it; null if it has ended."""
        may_be_sent = send_until_s is None and self.snapshot.state is not State.HELD
        if send_until_s is not None:
            self._submission.send_until_s = send_until_s
        async with aclosing(self._submission.outcomes(may_be_sent=may_be_sent)) as outcomes:
            async for outcome in outcomes:
                signals = [] if outcome.signal is None else [outcome.signal]
                # A refusal that answers the client frees its key: the same request may start another task.
                frees_key = isinstance(outcome.signal, Refused) and not self.submitted.done()
                self._answered_with = outcome.upstream
                self._submission.send_until_s = await self._task_log.write(
                    signals, outcome.upstream, synced=outcome.synced, frees_key=frees_key, files=outcome.files
                )
                self.answer(outcome.refusal)
        return self._answered_with

    async def _hand_over(self) -> None:
        """Answer the client, and tell the node that owns the task now which upstream task it is, if that is known."""
        self._log.info("task.handed_over", seq=self.snapshot.seq)
        self.answer(self._handed_over())
        named = self._answered_with
        if self._upstream is None and named is not None:
            command = Command(id=random_id(), task=self.snapshot.id, order=Order.CALLED_BACK, named=named)
            while True:
                try:
                    await self._context.journal.command(command)
                except OSError as error:
                    self._log.debug("command.retried", error=str(error))
                    await asyncio.sleep(STORE_RETRY_S)
                else:
                    break

    def _handed_over(self) -> UpstreamUnclear:
        return UpstreamUnclear("Another node of the relay follows the task now; whether it was started is unknown.")

    async def _stop(self, upstream: UpstreamTask) -> None:
        started = any(mark.type is Stage.START for mark in self._lifecycle.snapshot.stages)
        await self._stopper.stop(upstream, started=started)

    async def _follow(self, upstream: UpstreamTask) -> None:
        async with asyncio.TaskGroup() as group:
            listener = group.create_task(listen(self._context, upstream, self._inbox))
            while self.snapshot.done is None:
                signals = await self._signals()
                await self._task_log.write(signals)
                self._reader.committed(signals)
                self._reader.start_if_due(upstream, self._lifecycle.check_at, group)
            listener.cancel()
            self._reader.cancel()

    async def _signals(self) -> list[Signal]:
        """Wait for signals and return all that arrived, or none when the lifecycle or the reader may have work."""
        times = (self._lifecycle.next_deadline(), self._reader.due_at(self._lifecycle.check_at))
        due_at = min((time for time in times if time is not None), default=None)
        return await self._inbox.take(due_at, self._context.clock())
