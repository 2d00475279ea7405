"""
Submits one task to its provider: sends the run, and queues while the provider is at capacity.

A run is sent only when it certainly has not been started before. The intent to send it is on the disk first; if
anything goes wrong after the first byte, the outcome is unknown and the run is searched for instead of sent again.
"""

import asyncio
import math
from collections.abc import AsyncGenerator
from contextlib import aclosing

from relay import log
from relay.backoff import full_jitter
from relay.core.events import Fault, State
from relay.core.signals import Held, Refused, Released, Withdrawn
from relay.core.snapshot import Snapshot
from relay.core.upstream import File
from relay.errors import UpstreamError, UpstreamFull, UpstreamUnavailable, UpstreamUnclear
from relay.providers.base import Attempt
from relay.tasks.context import TaskContext
from relay.tasks.outcome import Outcome
from relay.tasks.search import Search

QUEUE_GRACE_S = 600.0
"""
The minimum time for which a task queued when the relay stopped may still be queued, within the limit for all tasks.

The time that the relay was off is known only from a clock that may have been wrong then or now.
"""

UPLOAD_RETRY_BYTES_S = 1024 * 1024
"""Each attempt to send a run uploads its files again, so attempts are a second apart for that many bytes of files."""


class Submission:
    """The submission of one task. `cancel` may be called while it runs."""

    def __init__(self, context: TaskContext, snapshot: Snapshot) -> None:
        """
        Args:
            context: the task and what its submission needs.
            snapshot: the task's committed state.
        """
        self._context = context
        self._task = snapshot.id
        self._provider = context.provider
        self._admission = context.admission
        self._clock = context.clock
        self._created_at = snapshot.created_at
        self._was_queued = snapshot.state is State.HELD
        doubtful = self._created_at < context.journal.complete_since
        self._may_be_sent = self._was_queued and self._provider.lists and doubtful
        """Whether a failover may have lost the event that the run was sent, so that it must be looked for first."""
        self._sent_at = snapshot.updated_at
        """When the intent to send the run was logged last."""
        self._canceled = snapshot.cancel is not None
        self._attempt = Attempt()
        self.send_until_s = math.inf
        """Until when the run may be sent, as `relay.clock.uptime_s` counts. The follower sets it after each commit."""
        self.sending = False
        """Whether the run is being sent, up to the commit of its outcome."""
        self._queue_until = math.inf
        self._refusals = 0
        self._log = log.get("submission").bind(task=self._task, provider=self._provider.name)
        self.search = Search(context)

    def cancel(self) -> None:
        """Leave the queue, or stop sending the run while it is certain that the provider has not started it."""
        self._canceled = self._attempt.canceled = True
        self._admission.queue.wake(self._task)

    async def outcomes(self, *, may_be_sent: bool) -> AsyncGenerator[Outcome, None]:
        """
        Yield outcomes until the provider has accepted the task or the task has ended.

        Commit each outcome before requesting the next: the next step relies on it being in the log.

        Args:
            may_be_sent: whether an earlier process may have sent the run. It is then only searched for.
        """
        unclear: UpstreamError | None = None
        kept: tuple[File, ...] = ()
        if may_be_sent:
            unclear = UpstreamUnclear("The relay stopped while it was submitting the task, before an answer arrived.")
            yield Outcome(refusal=unclear)
        else:
            async with aclosing(self._submit()) as outcomes:
                async for outcome in outcomes:
                    yield outcome
                    unclear = outcome.refusal if isinstance(outcome.refusal, UpstreamUnclear) else None
                    kept = outcome.files
        # From here on the run is no longer sent. A relay that stops earlier leaves the files to the next process.
        if not kept:  # otherwise the archive releases them
            await self._context.spool.release(self._context.stored.files)
        if unclear is not None:
            await self._context.journal.sent(self._task)  # searches of other nodes need not wait for it
            async with aclosing(self.search.outcomes(unclear.detail, self._sent_at)) as outcomes:
                async for outcome in outcomes:
                    yield outcome

    async def _submit(self) -> AsyncGenerator[Outcome, None]:
        if self._was_queued and not self._may_be_sent and not await self._has_files():
            yield self._without_files()
            return
        queue, now, stored = self._admission.queue, self._clock(), self._context.stored
        limit_s = self._context.queue_limit_s
        self._queue_until = now + min(limit_s, max(self._created_at + limit_s - now, QUEUE_GRACE_S))
        behind = self._was_queued or await queue.position(self._task) > 1
        reason = "Queued behind other tasks." if behind else None
        ended = False
        try:
            if reason is not None:
                yield await self._queued(reason)
            while not ended:
                if reason is not None:
                    async for outcome in self._wait_in_queue(reason):
                        yield outcome
                        ended = isinstance(outcome.signal, Withdrawn | Refused)
                    if ended:
                        break
                if self._may_be_sent:
                    async with aclosing(self._look_first()) as found:
                        async for outcome in found:
                            yield outcome
                            ended = True
                    continue
                with self._admission.sending():
                    if reason is not None:
                        self._sent_at = self._clock()
                        yield Outcome(signal=Released())
                    self.sending = True
                    try:
                        self._attempt = Attempt(canceled=self._canceled, send_until_s=self.send_until_s)
                        upstream = await self._provider.run(self._context.run, self._attempt)
                        yield Outcome.accepted(upstream, stored.files if self._context.keeps_results else ())
                        ended = True
                    except asyncio.CancelledError:
                        if not self._attempt.complete:
                            # The relay is stopping. The next process finds the task queued and sends its run then.
                            yield Outcome(signal=Held(reason="The relay stopped before the run was sent.", position=1))
                        raise
                    except UpstreamError as error:
                        if self._attempt.late or isinstance(error, UpstreamFull):
                            reason = error.detail
                            self._refusals += 1
                            yield await self._queued(reason)
                        else:
                            yield self._failed(error)
                            ended = True
                    self.sending = False
        finally:
            queue.leave(self._task)

    async def _look_first(self) -> AsyncGenerator[Outcome, None]:
        """Look once for a run that an earlier process may have sent; yield an outcome if it need not be sent."""
        try:
            async with aclosing(self.search.look_once(self._created_at)) as found:
                async for outcome in found:
                    yield outcome
                    return
        except UpstreamError as error:
            self._log.warning("search.failed", error=error.detail)
            self._refusals += 1
            return
        self._may_be_sent = False
        if not await self._has_files():
            yield self._without_files()

    async def _has_files(self) -> bool:
        return await self._context.spool.has(self._context.stored.files)

    def _failed(self, error: UpstreamError) -> Outcome:
        """Return the outcome of a run that will not be sent again."""
        if isinstance(error, UpstreamUnclear):
            self._log.warning("run.unconfirmed", error=error.detail)
            return Outcome(refusal=error)
        if isinstance(error, UpstreamUnavailable) and self._canceled:
            return Outcome(signal=Withdrawn())
        stated = error.fault
        fault = Fault(code=stated.code, message=stated.message) if stated else Fault(code=None, message=error.detail)
        return Outcome(signal=Refused(fault=fault), refusal=error)

    def _without_files(self) -> Outcome:
        """Return the outcome of a task that was queued on another node, whose disk has the files."""
        self._log.warning("run.files_missing", files=len(self._context.stored.files))
        message = "The uploaded files are on a node that has stopped. Start the task again."
        fault = Fault(code=None, message=message)
        return Outcome(signal=Refused(fault=fault, unsent=True), refusal=UpstreamUnavailable(message))

    async def _queued(self, reason: str) -> Outcome:
        """Join the queue, or keep the position in it, and return the outcome. `reason`: why, for display."""
        self._admission.queue.join(self._task)
        return Outcome(signal=Held(reason=reason, position=await self._admission.queue.position(self._task)))

    async def _wait_in_queue(self, reason: str) -> AsyncGenerator[Outcome, None]:
        """
        Yield the positions of a queued task until it may be sent now, or until it has ended.

        Args:
            reason: why the task is queued, for display.
        """
        queue = self._admission.queue
        pause = self._refusals > 0  # the provider had no capacity just now
        while True:
            if self._canceled:
                yield Outcome(signal=Withdrawn())
                return
            left_s = self._queue_until - self._clock()
            if left_s <= 0:
                limit_s = self._context.queue_limit_s
                timeout = Fault(code=None, message=f"The platform had no capacity for the task within {limit_s:.0f} s.")
                yield Outcome(signal=Refused(fault=timeout))
                return
            first = await queue.position(self._task) == 1 and not queue.closed
            if first and not pause:
                return
            await queue.wait(self._task, min(left_s, self._retry_pause_s()) if first else left_s)
            pause = False
            yield await self._queued(reason)

    def _retry_pause_s(self) -> float:
        file_bytes = sum(file.size_bytes for file in self._context.run.files)
        return full_jitter(self._refusals + 2, asked_s=file_bytes / UPLOAD_RETRY_BYTES_S)
