"""
Searches the provider for a run whose outcome is unknown.

The run is never sent again: it may have been started, and it is billable.
"""

import asyncio
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing

from relay import log
from relay.backoff import full_jitter
from relay.core.signals import GivenUp
from relay.core.upstream import UpstreamTask
from relay.errors import UpstreamError
from relay.tasks.context import TaskContext
from relay.tasks.outcome import Outcome
from relay.tasks.watching import becomes_true

SEARCH_AFTER_S: tuple[float, ...] = (0.0, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
"""The pauses before each attempt: the provider's task list can lag behind."""

CALLBACK_S = 1800.0
"""The pause before one more attempt where only a callback can identify the run: it is sent when the task has ended."""

SENT_WITHIN_S = 60.0
"""How long after the intent was logged a run without files can have been sent."""

SLOWEST_UPLOAD_BYTES_S = 2 * 1024
"""The slowest upload that is expected: a run with files can have been sent that much later."""

BEING_SENT_S = 60.0
"""How long to wait for the answers to other runs that are being sent and could be the tasks that were found."""


class Search:
    """The search for one task's run. `called_back` and `look_soon` may be called before and while it runs."""

    def __init__(self, context: TaskContext) -> None:
        self._context = context
        self._provider = context.provider
        self._admission = context.admission
        self._clock = context.clock
        self._woken = asyncio.Event()
        self._named: UpstreamTask | None = None
        self._matches = 0
        """How many upstream tasks the last attempt found that match the run."""
        self._log = log.get("search").bind(task=context.stored.id, provider=self._provider.name)

    def called_back(self, named: UpstreamTask | None) -> None:
        """Note that the platform called back, and which upstream task the callback proved to be about, if any."""
        self._named = named or self._named

    def look_soon(self) -> None:
        """Make an extra attempt now."""
        self._woken.set()

    async def outcomes(self, why: str, sent_at: float) -> AsyncGenerator[Outcome, None]:
        """
        Yield one outcome: the run was found, or the search is given up.

        Args:
            why: why the outcome of the run is unknown, as a sentence.
            sent_at: when the intent to send the run was logged, in unix seconds.
        """
        attempt_at = self._clock()
        file_bytes = sum(file.size_bytes for file in self._context.run.files)
        sent_by = min(attempt_at, sent_at + SENT_WITHIN_S + file_bytes / SLOWEST_UPLOAD_BYTES_S)
        give_up_at = attempt_at + self._context.time_limits.deadline_s
        for pause_s in self._pauses_s():
            attempt_at = max(attempt_at, self._clock()) + pause_s
            woken = True
            while woken:  # an extra attempt does not count as one of the planned ones
                woken = await self._wait_until(attempt_at)
                candidates = await self._candidates(sent_at, sent_by, give_up_at)
                found = False
                async with aclosing(self._adopt(candidates)) as adopted:
                    async for outcome in adopted:
                        yield outcome
                        found = True
                if found:
                    return
        matches = f"relay: {self._matches} tasks on the platform match the run; none could be identified as this task"
        evidence = (f"relay: {why}", matches, "relay: whether the run was started is unknown; it is not sent again")
        yield Outcome(signal=GivenUp(evidence=evidence))

    async def look_once(self, sent_at: float) -> AsyncGenerator[Outcome, None]:
        """
        Yield one outcome if the run is found now, although the log does not say that it was sent; else none.

        Args:
            sent_at: when it can have been sent first, in unix seconds.

        Raises:
            UpstreamError: the provider could not be called.
        """
        async with aclosing(self._adopt(await self._find(sent_at, self._clock()))) as adopted:
            async for outcome in adopted:
                yield outcome

    async def _adopt(self, candidates: Sequence[UpstreamTask]) -> AsyncGenerator[Outcome, None]:
        """Yield the outcome that the run is the only candidate that is no other task's; else none."""
        async with self._admission.adopting:
            free = [candidate for candidate in candidates if await self._is_free(candidate)]
            if len(free) == 1:  # of several, any could be the task of another client
                yield Outcome.accepted(free[0])
                self._log.info("run.found", upstream_id=free[0].upstream_id)

    def _pauses_s(self) -> tuple[float, ...]:
        if self._provider.lists or self._context.run.callback_url is None:
            return SEARCH_AFTER_S
        return (*SEARCH_AFTER_S, CALLBACK_S)

    async def _candidates(self, sent_at: float, sent_by: float, give_up_at: float) -> Sequence[UpstreamTask]:
        """Return the upstream tasks that may be the run. If the provider cannot be called, retry until `give_up_at`."""
        failures = 0
        while True:
            try:
                return await self._find(sent_at, sent_by)
            except UpstreamError as error:
                self._log.warning("search.failed", error=error.detail)
                if self._clock() >= give_up_at:
                    return ()
                failures += 1
                await self._wait_until(self._clock() + full_jitter(failures, asked_s=error.retry_after_s))

    async def _find(self, sent_at: float, sent_by: float) -> Sequence[UpstreamTask]:
        """
        Ask the provider once for tasks that may be the run.

        Raises:
            UpstreamError: the provider could not be called.
        """
        if self._named is not None and await self._is_free(self._named):
            return (self._named,)
        being_sent = self._admission.being_sent()
        elsewhere = await self._context.journal.sending(self._provider.name)
        offset_s = self._admission.clock.offset_s
        since = self._listed_since(sent_at) + offset_s
        found = await self._provider.find(self._context.run, since=since, until=sent_by + offset_s)
        if found.certain is not None:
            self._matches = 1
            return (found.certain,)
        # One of these tasks may belong to a run that had not been answered when they were listed.
        if found.likely and not (await _answered(being_sent) and await self._answered_elsewhere(elsewhere)):
            return ()
        self._matches = len(found.likely)
        return found.likely

    async def _answered_elsewhere(self, tasks: Collection[str]) -> bool:
        """Wait for the answers to runs that other nodes are sending; return whether all have come."""

        async def none_is_sent() -> bool:
            return not tasks or set(tasks).isdisjoint(await self._context.journal.sending(self._provider.name))

        return await becomes_true(none_is_sent, self._context.journal, tasks, BEING_SENT_S)

    def _listed_since(self, sent_at: float) -> float:
        """
        Return how far back to read the platform's task list for a run that was sent at `sent_at`.

        A time in the future was recorded by a clock that was ahead, so it is ignored. The callback address then
        identifies the run anywhere in the list; without one, a matching task of any age would only be a guess.
        """
        if sent_at > self._context.wall_clock() and self._context.run.callback_url is not None:
            return 0.0
        return sent_at

    async def _is_free(self, upstream: UpstreamTask) -> bool:
        """Return whether no task of this relay is the given upstream task."""
        return await self._context.journal.find_upstream(self._provider.name, upstream) is None

    async def _wait_until(self, at: float) -> bool:
        """Wait until `at` or until `look_soon` is called, now or earlier; return whether it was called."""
        try:
            async with asyncio.timeout(max(0.0, at - self._clock())):
                await self._woken.wait()
        except TimeoutError:
            return False
        self._woken.clear()
        return True


async def _answered(runs: Collection[asyncio.Future[None]]) -> bool:
    """Wait for the answers to runs that this node is sending; return whether all have come."""
    if not runs:
        return True
    _, pending = await asyncio.wait(runs, timeout=BEING_SENT_S)
    return not pending
