"""
One chaos run: a faulty simulated platform, relays that are killed, and viewers whose connections are cut.

Everything is drawn from one seed. The run waits for outcomes; it sleeps only where its schedule says so.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Protocol

import aiohttp

from relay.sandbox import Faults, Sandbox
from tests.chaos import judge
from tests.chaos.caller import Caller
from tests.chaos.judge import TaskLog
from tests.chaos.relay_process import KEY, RelayProcess, free_port
from tests.chaos.viewers import COME_BACK_CODES, TaskLink, View, Viewer
from tests.chaos.workload import PlannedTask, planned_tasks


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The parameters of a run."""

    seed: int
    tasks: int = 100
    viewers: int = 300
    kills: int = 3
    starting_s: float = 24.0
    """The time over which the tasks are started."""
    within_s: float = 240.0
    """Time limit of the run; an idle machine needs a fifth of it."""
    concurrency: int = 20
    speed: float = 2.5
    flaky: float = 0.1
    upstream_cuts: float = 0.01
    viewer_cuts: tuple[float, ...] = (0.0, 0.02, 0.2)
    """Probabilities of a cut after a frame; each viewer has one of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The result in numbers."""

    verdicts: dict[str, int]
    runs_sent: int
    losses: int
    events_seen: int
    snapshots_seen: int

    def __str__(self) -> str:
        return (
            f"{self.verdicts}, {self.runs_sent} runs sent, viewers lost their connection {self.losses} times "
            f"and saw {self.events_seen} events and {self.snapshots_seen} snapshots"
        )


class Target(Protocol):
    """What is tested: a relay, or a cluster of them."""

    @property
    def urls(self) -> Sequence[str]:
        """Where viewers connect, in turns."""

    async def disturb(self, have_started: Callable[[int], Awaitable[None]]) -> None:
        """Do everything to it that the plan says; `have_started` waits until so many tasks have started."""

    async def check(self, tasks: Mapping[str, TaskLog]) -> None:
        """Check what only concerns this target at the end, when the logs of all tasks are correct."""

    def logs(self) -> str:
        """Return the ends of all its logs, for a run that failed."""


class Chaos:
    """One run of a plan. Use `run`."""

    def __init__(
        self,
        plan: Plan,
        sandbox: Sandbox,
        target: Target,
        caller: Caller,
        *,
        come_back_codes: frozenset[int] = COME_BACK_CODES,
        come_back_statuses: frozenset[int] = frozenset(),
        may_reset: bool = False,
    ) -> None:
        """
        Args:
            plan: the parameters.
            sandbox: the simulated platforms.
            target: what is tested; it runs.
            caller: starts the tasks.
            come_back_codes: close codes after which a viewer reconnects.
            come_back_statuses: HTTP statuses after which a viewer reconnects.
            may_reset: whether a viewer that could be resumed may receive a snapshot.
        """
        self._plan = plan
        self._sandbox = sandbox
        self._target = target
        self._caller = caller
        self._come_back_codes = come_back_codes
        self._come_back_statuses = come_back_statuses
        self._may_reset = may_reset
        self._random = Random(f"{plan.seed}:plan")
        self.planned_tasks = planned_tasks(self._random, plan.tasks, plan.starting_s)
        self._links: list[asyncio.Future[TaskLink]] = [asyncio.Future() for _ in self.planned_tasks]
        self._started = asyncio.Condition()
        self._running = "the start"
        """What the run waits for, for `unfinished`."""
        self.views: list[View] = []

    async def run(self) -> Report:
        """
        Carry out the plan, and check the result.

        Raises:
            BaseExceptionGroup: a check failed during the run.
            AssertionError: a check failed at the end.
        """
        async with asyncio.TaskGroup() as group:
            self._running = "tasks and viewers"
            group.create_task(self._start_all(group))
            group.create_task(self._target.disturb(self._have_started))
            for number in range(self._plan.viewers):
                group.create_task(self._watch(number))
        return await self._judge()

    def unfinished(self) -> str:
        """Describe what has not ended, for a run that failed or timed out."""
        unstarted = [
            str(planned) for planned, link in zip(self.planned_tasks, self._links, strict=True) if not link.done()
        ]
        views = [
            f"{view!r} of {view.where}: asked for {view.asked}, answered: {view.answered}, losses: {view.losses}, "
            f"state: {view.state and (view.state.state.value, view.state.hold)}"
            for view in self.views
            if not view.ended
        ]
        lines = ["not started:", *unstarted, "not ended:", *views, self._target.logs()]
        return f"waiting for {self._running}\n" + "\n".join(lines)

    async def _start_all(self, group: asyncio.TaskGroup) -> None:
        for planned in self.planned_tasks:
            await asyncio.sleep(planned.pause_s)
            group.create_task(self._start(planned))

    async def _start(self, planned: PlannedTask) -> None:
        links = [await self._caller.post(planned)]
        if planned.twice and not planned.refused:
            links += await asyncio.gather(*(self._caller.post(planned) for _ in range(2)))
        assert len({link.task for link in links}) == 1, f"{planned} became several tasks: {links}"
        self._links[planned.number].set_result(links[0])
        async with self._started:
            self._started.notify_all()
        if planned.cancel_after_s is not None:
            await asyncio.sleep(planned.cancel_after_s)
            await self._caller.cancel(links[0])

    async def _have_started(self, count: int) -> None:
        async with self._started:
            await self._started.wait_for(lambda: sum(link.done() for link in self._links) >= count)

    async def _watch(self, number: int) -> None:
        random = Random(f"{self._plan.seed}:viewer:{number}")
        viewer = Viewer(
            self._target.urls[number % len(self._target.urls)],
            random,
            cut_share=random.choice(self._plan.viewer_cuts),
            come_back_codes=self._come_back_codes,
            come_back_statuses=self._come_back_statuses,
        )
        wire = number % 3
        # Viewers of many tasks watch the first half, which is still running when they have been cut once or twice.
        first, count = number * len(self.planned_tasks) // self._plan.viewers, 1
        if wire == 2:
            first, count = first // 2 - first // 2 % 8, random.randint(2, 8)
        links = [await asyncio.shield(link) for link in self._links[first : first + count]]
        views = [View(link=link, where=viewer.base, may_reset=self._may_reset) for link in links]
        self.views += views
        await asyncio.sleep(random.choice((0, 0, random.uniform(0, 4))))
        match wire:
            case 0:
                await viewer.over_socket(views[0])
            case 1:
                await viewer.over_stream(self._caller.session, views[0])
            case _:
                await viewer.over_many(views, KEY)

    async def _judge(self) -> Report:
        self._running = "the list of tasks"
        found = await judge.tasks_by_tag(self._caller)
        assert sorted(found) == sorted(planned.tag for planned in self.planned_tasks), "a planned task is missing"
        self._running = "the logs of all tasks"
        ids = [task for made in found.values() for task in made]
        logs = await asyncio.gather(*(judge.read_ended(self._caller, task) for task in ids))
        tasks = dict(zip(ids, logs, strict=True))
        for task in tasks.values():
            judge.check_log(task)
        for view in self.views:
            judge.check_view(view, tasks[view.link.task])
        runs = judge.check_runs(self._sandbox)
        for planned in self.planned_tasks:
            judge.check_task(
                planned, [tasks[task] for task in found[planned.tag]], runs.get(planned.number, []), self._sandbox
            )
        self._running = "the checks at the end"
        await self._target.check(tasks)
        verdicts = sorted(task.snapshot.state.value for task in tasks.values())
        return Report(
            verdicts={verdict: verdicts.count(verdict) for verdict in dict.fromkeys(verdicts)},
            runs_sent=len(self._sandbox.runs),
            losses=sum(view.losses for view in self.views),
            events_seen=sum(len(view.events) for view in self.views),
            snapshots_seen=sum(len(view.snapshots) for view in self.views),
        )


Ready = Callable[[Plan, Path], AbstractAsyncContextManager[Chaos]]
"""Makes what a plan needs ready in an empty folder, and removes it after the run."""


class OneRelay:
    """A relay that is killed and restarted, each time with or without callbacks."""

    def __init__(self, plan: Plan, relay: RelayProcess) -> None:
        self._plan = plan
        self._relay = relay
        self._random = Random(f"{plan.seed}:kills")

    @property
    def urls(self) -> Sequence[str]:
        return (self._relay.url,)

    async def start(self) -> None:
        """Start the relay."""
        await self._relay.start(public=self._relay.url if self._random.random() < 0.5 else None)

    async def disturb(self, have_started: Callable[[int], Awaitable[None]]) -> None:
        for number in range(1, self._plan.kills + 1):
            await have_started(number * self._plan.tasks // (self._plan.kills + 1))
            await asyncio.sleep(self._random.uniform(0, 1))
            await self._relay.kill()
            await asyncio.sleep(self._random.uniform(0, 1))
            await self.start()

    async def check(self, tasks: Mapping[str, TaskLog]) -> None:
        assert not (faults := self._relay.faults()), f"the relay logged {faults[:3]}"

    def logs(self) -> str:
        return self._relay.log_tail()


@asynccontextmanager
async def one_relay(plan: Plan, folder: Path) -> AsyncIterator[Chaos]:
    """Start one relay, whose log is in the folder."""
    async with sandbox_of(plan) as sandbox, asyncio.TaskGroup() as group:
        relay = RelayProcess(folder, sandbox, free_port(Random(f"{plan.seed}:port")), group)
        target = OneRelay(plan, relay)
        async with session(relay.url) as client:
            try:
                await target.start()
                yield Chaos(plan, sandbox, target, Caller(client, plan.seed))
            finally:
                await relay.kill()


def sandbox_of(plan: Plan) -> Sandbox:
    """Return the simulated platforms of a plan."""
    faults = Faults(flaky=plan.flaky, cut_share=plan.upstream_cuts)
    return Sandbox(speed=plan.speed, seed=plan.seed, faults=faults, concurrency=plan.concurrency)


def session(url: str, *, force_close: bool = False) -> aiohttp.ClientSession:
    """Return a session with the API key; with `force_close`, each call has a connection of its own."""
    return aiohttp.ClientSession(
        url,
        headers={"Authorization": f"Bearer {KEY}"},
        connector=aiohttp.TCPConnector(limit=0, force_close=force_close),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
    )


async def run(plan: Plan, folder: Path, ready: Ready = one_relay) -> Report:
    """
    Run a plan in an empty folder; add the seed as a note to any exception.

    Raises:
        TimeoutError: the run did not end within the plan's time limit.
        BaseExceptionGroup: a check failed during the run.
        AssertionError: a check failed at the end.
    """
    chaos: Chaos | None = None
    try:
        async with asyncio.timeout(plan.within_s), ready(plan, folder) as chaos:
            return await chaos.run()
    except BaseException as error:
        waiting = chaos.unfinished() if chaos else "waiting for the nodes to be ready"
        error.add_note(f"chaos: seed {plan.seed}, logs in {folder}; {waiting}")
        raise
