"""
Gets one task into the upstream: sends its run, waits in line while there is no place, and looks for the run when its
outcome is unknown.

The rule that everything here serves: a run is sent only when it surely has not been started before. Before it is sent
the log says so, on the disk; whatever goes wrong after the first byte is an unknown outcome, and is looked for.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from relay import log
from relay.backoff import full_jitter
from relay.core.events import Fault, State
from relay.core.signals import Accepted, GivenUp, Held, Refused, Released, Signal, Withdrawn
from relay.core.snapshot import Snapshot
from relay.core.upstream import Run, UpstreamTask
from relay.errors import UpstreamError, UpstreamFull, UpstreamUnavailable, UpstreamUnclear
from relay.journal.base import Journal
from relay.providers.base import Provider, Unsent
from relay.tasks.admission import Doorway

SEARCH_AFTER_S: tuple[float, ...] = (0.0, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
"""When a run of unknown outcome is looked for, each time so long after the last: a list can lag behind."""

HOLD_GRACE_S = 600.0
"""
How long a task that waited when the relay stopped may wait at least, within the time for all of them: how long the
relay was off, only a clock says that may have been wrong then or may be wrong now.
"""

CALLBACK_S = 1800.0
"""How much longer to wait where only a callback can prove anything, as it comes when the task has ended."""

SENT_WITHIN_S = 60.0
"""How long after the intent a run can have been sent at the latest, when it has no files."""

SLOWEST_BYTES_S = 2 * 1024
"""With files it takes longer: at the worst a second for so many bytes."""

AGAIN_BYTES_S = 1024 * 1024
"""Between two attempts of a run with files, a second for so many bytes: each attempt carries them all."""

UNDER_WAY_S = 60.0
"""So long is waited for runs of others that are on their way, and might be what was found."""


class Take(Protocol):
    """Has the lifecycle judge signals, and commits what it says."""

    async def __call__(
        self, signals: Sequence[Signal], upstream: UpstreamTask | None = None, *, synced: bool = False
    ) -> None: ...


class Submission:
    """One task's way in. Run it once; `wake` may be called meanwhile."""

    def __init__(
        self,
        *,
        task: str,
        run: Run,
        provider: Provider,
        journal: Journal,
        doorway: Doorway,
        take: Take,
        state: Callable[[], Snapshot],
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        hold_s: float,
        search_s: float,
        discard: Callable[[], Awaitable[None]],
    ) -> None:
        """
        Args:
            task: whose way it is.
            run: what is sent.
            provider: who carries it.
            journal: knows which upstream task is whose.
            doorway: shared with all tasks of the provider.
            take: has signals judged and committed.
            state: gives the task's state as it is now.
            clock: gives unix seconds, and is never set.
            wall_clock: gives unix seconds as the machine has them, which may jump.
            hold_s: how long the task may wait for a place.
            search_s: for how long to try to look for a run of unknown outcome while the provider cannot be asked.
            discard: throws the run's files away: awaited as soon as the run is surely not sent any more.
        """
        self._task = task
        self._run = run
        self._provider = provider
        self._journal = journal
        self._doorway = doorway
        self._take = take
        self._state = state
        self._clock = clock
        self._wall_clock = wall_clock
        self._hold_s = hold_s
        self._hold_until = math.inf
        self._search_s = search_s
        self._discard = discard
        self._woken = asyncio.Event()
        self._named: UpstreamTask | None = None
        self._refusals = 0
        self._fitting = 0
        """How many tasks the last look found that may be this run."""
        self._log = log.get("submission").bind(task=task, provider=provider.name)
        self.answered: asyncio.Future[UpstreamError | None] = asyncio.get_running_loop().create_future()
        """
        What a caller who waits is told, as soon as there is something to tell: null when the upstream took the task or
        it waits in line, else why not, or (`UpstreamUnclear`) why that is not known.
        """

    def wake(self) -> None:
        """Look up from waiting in line: somebody canceled."""
        self._doorway.line.wake(self._task)

    def name(self, named: UpstreamTask | None) -> None:
        """Take note that the upstream called back, and proved that it is about `named`, if it did."""
        self._named = named or self._named

    def look(self) -> None:
        """Look for the run at once."""
        self._woken.set()

    async def enter(self) -> UpstreamTask | None:
        """Submit a task that has not been sent, and return how the upstream knows it; null when it has ended."""
        upstream = await self._enter()
        await self._discard()  # not in a `finally`: a relay that stops leaves the files to the next one
        return upstream

    async def _enter(self) -> UpstreamTask | None:
        line, now = self._doorway.line, self._clock()
        self._hold_until = now + min(self._hold_s, max(self._state().created_at + self._hold_s - now, HOLD_GRACE_S))
        try:
            if self._state().state is State.HELD or len(line):  # who comes later does not overtake
                await self._wait_in_line("Others wait for a place already.", pause=False)
            while self._state().done is None:
                upstream, refusal = await self._send()
                if not isinstance(refusal, UpstreamFull):
                    return upstream
                self._refusals += 1
                await self._wait_in_line(refusal.detail, pause=True)
            return None
        finally:
            line.leave(self._task)

    async def look_for(self, why: str) -> UpstreamTask | None:
        """Look for a run that was sent and whose outcome is unknown, because of `why`; never send it again."""
        self._answer(UpstreamUnclear(why))
        await self._discard()
        sent_at = self._state().updated_at
        look_at = self._clock()
        sent_by = min(look_at, sent_at + SENT_WITHIN_S + self._file_bytes() / SLOWEST_BYTES_S)
        give_up_at = look_at + self._search_s
        for delay_s in self._search_after_s():
            look_at = max(look_at, self._clock()) + delay_s
            while True:  # a callback brings a look of its own, and costs none of those that are planned
                called_back = await self._pause(look_at)
                if (upstream := await self._look(sent_at, sent_by, give_up_at)) is not None:
                    return upstream
                if not called_back:
                    break
        searched = f"relay: {self._fitting} tasks upstream were seen to fit, none could be told to be this one"
        evidence = (f"relay: {why}", searched, "relay: whether it was started is unknown; it is not sent again")
        await self._take([GivenUp(evidence=evidence)])
        return None

    def _search_after_s(self) -> tuple[float, ...]:
        if self._provider.lists or self._run.callback_url is None:
            return SEARCH_AFTER_S
        return (*SEARCH_AFTER_S, CALLBACK_S)

    async def _look(self, sent_at: float, sent_by: float, give_up_at: float) -> UpstreamTask | None:
        """Look for a run as below. While the provider cannot be asked, nothing is learned: try until `give_up_at`."""
        failures = 0
        while True:
            try:
                return await self._look_once(sent_at, sent_by)
            except UpstreamError as error:
                self._log.warning("search.failed", error=error.detail)
                if self._clock() >= give_up_at:
                    return None
                failures += 1
                await self._pause(self._clock() + full_jitter(failures, asked_s=error.retry_after_s))

    async def _look_once(self, sent_at: float, sent_by: float) -> UpstreamTask | None:
        """
        Look once for a run that was sent between then and then, and take what is found to be it.

        Raises:
            UpstreamError: the provider could not be asked.
        """
        if self._named is not None and (upstream := await self._adopt([self._named])) is not None:
            return upstream
        under_way = self._doorway.under_way()
        offset_s = self._doorway.clock.offset_s
        since = self._listed_since(sent_at) + offset_s
        found = await self._provider.find(self._run, since=since, until=sent_by + offset_s)
        if found.certain is not None:
            self._fitting = 1
            return await self._adopt([found.certain])
        if found.likely and under_way:  # one of these may be the run of somebody who is still being answered
            _, pending = await asyncio.wait(under_way, timeout=UNDER_WAY_S)
            if pending:  # nobody can tell whose they are: the next look may
                return None
        self._fitting = len(found.likely)
        return await self._adopt(found.likely)

    def _listed_since(self, sent_at: float) -> float:
        """
        Return how far back the provider's list is read for a run that is dated `sent_at`.

        A date in the future was given by a clock that was ahead, and says nothing. The callback address still tells the
        run, wherever it stands in the list; without one, a task of any age that looks like it would be a guess.
        """
        if sent_at > self._wall_clock() and self._run.callback_url is not None:
            return 0.0
        return sent_at

    def _file_bytes(self) -> int:
        return sum(file.size_bytes for file in self._run.files)

    async def _send(self) -> tuple[UpstreamTask | None, UpstreamError | None]:
        """Send the run, once, and take note of what came of it."""
        try:
            with self._doorway.sending():
                upstream = await self._provider.run(self._run, wanted=lambda: self._state().cancel is None)
                await self._take([Accepted(upstream_id=upstream.upstream_id or "")], upstream)
        except Unsent:
            # The relay is stopped. The next one finds the task in line and sends it, for that is the first time still.
            await self._take([Held(reason="The relay stopped before all of it was sent.", position=1)])
            raise
        except UpstreamUnclear as error:
            self._log.warning("run.unclear", error=error.detail)
            self._doorway.line.leave(self._task)  # it is not sent again, and those behind need not wait for the search
            return await self.look_for(error.detail), None
        except UpstreamError as error:
            if isinstance(error, UpstreamUnavailable) and self._state().cancel is not None:
                await self._take([Withdrawn()])
                self._answer(None)
            elif not isinstance(error, UpstreamFull):
                await self._refuse(error)
            return None, error
        self._answer(None)
        return upstream, None

    async def _refuse(self, error: UpstreamError) -> None:
        said = error.fault
        fault = Fault(code=said.code, message=said.message) if said else Fault(code=None, message=error.detail)
        await self._take([Refused(fault=fault)])
        self._answer(error)

    async def _wait_in_line(self, reason: str, *, pause: bool) -> None:
        """
        Wait until it is this task's turn, then say on the disk that it is sent; or end it while it waits.

        Args:
            reason: what it waits for, for people.
            pause: whether the first in line waits for a free place; else it tries at once.
        """
        line = self._doorway.line
        line.join(self._task)
        while True:
            position = line.position(self._task)
            await self._take([Held(reason=reason, position=position)])
            self._answer(None)
            state = self._state()
            if state.cancel is not None:
                await self._take([Withdrawn()])
                return
            left_s = self._hold_until - self._clock()
            if left_s <= 0:
                waited = Fault(code=None, message=f"There was no place upstream within {self._hold_s:.0f} s.")
                await self._take([Refused(fault=waited)])
                return
            if position == 1 and not pause:
                break
            spared_s = self._file_bytes() / AGAIN_BYTES_S
            pause_s = left_s if position > 1 else min(left_s, full_jitter(self._refusals + 2, asked_s=spared_s))
            await line.wait(self._task, pause_s)
            pause = False
        await self._take([Released()], synced=True)

    async def _adopt(self, candidates: Sequence[UpstreamTask]) -> UpstreamTask | None:
        """Take the one candidate that nobody has; with none or several of them, nothing."""
        async with self._doorway.adopting:
            name = self._provider.name
            free = [task for task in candidates if await self._journal.find_upstream(name, task) is None]
            if len(free) != 1:
                return None
            await self._take([Accepted(upstream_id=free[0].upstream_id or "")], free[0])
            self._log.info("run.found", upstream_id=free[0].upstream_id)
            return free[0]

    async def _pause(self, until: float) -> bool:
        """Wait until then, or until the upstream calls back (or has, since the last look); say whether it did."""
        try:
            async with asyncio.timeout(max(0.0, until - self._clock())):
                await self._woken.wait()
        except TimeoutError:
            return False
        self._woken.clear()
        return True

    def _answer(self, answer: UpstreamError | None) -> None:
        if not self.answered.done():
            self.answered.set_result(answer)
