"""
One run of chaos: an honest sandbox with bad manners, a relay that is killed, and viewers that lose their connections.

All of it is drawn from one seed. What is awaited are outcomes; time passes only where the schedule says that chaos
takes its time.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import aiohttp

from relay.sandbox import Faults, Sandbox
from tests.chaos import judge
from tests.chaos.caller import Caller
from tests.chaos.relay_process import KEY, RelayProcess, free_port
from tests.chaos.viewers import Place, Story, Viewer
from tests.chaos.wishes import Wish, wishes


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much of everything."""

    seed: int
    tasks: int = 100
    viewers: int = 300
    kills: int = 3
    starting_s: float = 24.0
    """Over how long the tasks are started."""
    within_s: float = 240.0
    """Time limit of the run; an idle machine needs a fifth of it."""
    concurrency: int = 20
    speed: float = 2.5
    flaky: float = 0.1
    upstream_cuts: float = 0.01
    viewer_cuts: tuple[float, ...] = (0.0, 0.02, 0.2)
    """Shares of frames after which a connection is cut; each viewer has one of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What happened, in numbers."""

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


class Chaos:
    """One run of a plan. Use `run`."""

    def __init__(self, plan: Plan, sandbox: Sandbox, relay: RelayProcess, caller: Caller) -> None:
        self._plan = plan
        self._sandbox = sandbox
        self._relay = relay
        self._caller = caller
        self._random = Random(f"{plan.seed}:plan")
        self.wishes = wishes(self._random, plan.tasks, plan.starting_s)
        self._places: list[asyncio.Future[Place]] = [asyncio.Future() for _ in self.wishes]
        self._started = asyncio.Condition()
        self.stories: list[Story] = []

    async def run(self) -> Report:
        """
        Have it happen, and judge it.

        Raises:
            BaseExceptionGroup: something was seen on the way that must not be.
            AssertionError: the end is not what is true.
        """
        await self._relay.start(public=self._public(self._random))
        async with asyncio.TaskGroup() as group:
            group.create_task(self._order_all(group))
            group.create_task(self._kill())
            for number in range(self._plan.viewers):
                group.create_task(self._watch(number))
        return await self._judge()

    def unfinished(self) -> str:
        """Say who still waits, for whom the time ran out on."""
        waiting = {story.place.task: story.state for story in self.stories if not story.over}
        states = (f"{task}: {state and (state.state.value, state.seq, state.hold)}" for task, state in waiting.items())
        unplaced = [wish.number for wish, place in zip(self.wishes, self._places, strict=True) if not place.done()]
        return f"unfinished: {', '.join(states)}; wishes without a task: {unplaced}"

    async def _order_all(self, group: asyncio.TaskGroup) -> None:
        for wish in self.wishes:
            await asyncio.sleep(wish.pause_s)
            group.create_task(self._order(wish))

    async def _order(self, wish: Wish) -> None:
        places = [await self._caller.post(wish)]
        if wish.twice and not wish.refused:
            places += await asyncio.gather(*(self._caller.post(wish) for _ in range(2)))
        assert len({place.task for place in places}) == 1, f"{wish} became several tasks: {places}"
        self._places[wish.number].set_result(places[0])
        async with self._started:
            self._started.notify_all()
        if wish.cancel_after_s is not None:
            await asyncio.sleep(wish.cancel_after_s)
            await self._caller.cancel(places[0])

    async def _kill(self) -> None:
        random = Random(f"{self._plan.seed}:kills")
        for number in range(1, self._plan.kills + 1):
            await self._have_started(number * self._plan.tasks // (self._plan.kills + 1))
            await asyncio.sleep(random.uniform(0, 1))
            await self._relay.kill()
            await asyncio.sleep(random.uniform(0, 1))
            await self._relay.start(public=self._public(random))

    def _public(self, random: Random) -> str | None:
        return self._relay.url if random.random() < 0.5 else None

    async def _have_started(self, count: int) -> None:
        async with self._started:
            await self._started.wait_for(lambda: sum(place.done() for place in self._places) >= count)

    async def _watch(self, number: int) -> None:
        random = Random(f"{self._plan.seed}:viewer:{number}")
        viewer = Viewer(self._relay.url, random, cut_share=random.choice(self._plan.viewer_cuts))
        wire = number % 3
        # Who watches many watches the first half: of the others nobody is there any more when a viewer or two are cut.
        first, count = number // 3 % len(self.wishes), 1
        if wire == 2:
            first, count = first // 2 - first // 2 % 8, random.randint(2, 8)
        places = [await asyncio.shield(place) for place in self._places[first : first + count]]
        stories = [Story(place=place) for place in places]
        self.stories += stories
        await asyncio.sleep(random.choice((0, 0, random.uniform(0, 4))))
        match wire:
            case 0:
                await viewer.over_socket(stories[0])
            case 1:
                await viewer.over_stream(self._caller.session, stories[0])
            case _:
                await viewer.over_many(stories, KEY)

    async def _judge(self) -> Report:
        found = await judge.tasks_by_wish(self._caller)
        assert sorted(found) == sorted(wish.tag for wish in self.wishes), "a wish became no task"
        tasks = {task: await judge.told(self._caller, task) for made in found.values() for task in made}
        for task in tasks.values():
            judge.check_log(task)
        for story in self.stories:
            judge.check_story(story, tasks[story.place.task])
        runs = judge.check_runs(self._sandbox)
        for wish in self.wishes:
            judge.check_wish(wish, [tasks[task] for task in found[wish.tag]], runs.get(wish.number, []), self._sandbox)
        assert not (faults := self._relay.faults()), f"the relay's log tells of {faults[:3]}"
        verdicts = sorted(task.snapshot.state.value for task in tasks.values())
        return Report(
            verdicts={verdict: verdicts.count(verdict) for verdict in dict.fromkeys(verdicts)},
            runs_sent=len(self._sandbox.runs),
            losses=sum(story.losses for story in self.stories),
            events_seen=sum(len(story.events) for story in self.stories),
            snapshots_seen=sum(len(story.snapshots) for story in self.stories),
        )


async def run(plan: Plan, folder: Path) -> Report:
    """
    Run a plan in an empty folder; whatever goes wrong has the seed in a note.

    Raises:
        TimeoutError: it did not come to an end within the plan's time.
        BaseExceptionGroup: something was seen on the way that must not be.
        AssertionError: the end is not what is true.
    """
    chaos: Chaos | None = None
    try:
        async with asyncio.timeout(plan.within_s), _ready(plan, folder) as chaos:
            return await chaos.run()
    except BaseException as error:
        error.add_note(f"chaos: seed {plan.seed}, relay's log in {folder}; {chaos.unfinished() if chaos else ''}")
        raise


@asynccontextmanager
async def _ready(plan: Plan, folder: Path) -> AsyncIterator[Chaos]:
    faults = Faults(flaky=plan.flaky, cut_share=plan.upstream_cuts)
    async with (
        Sandbox(speed=plan.speed, seed=plan.seed, faults=faults, concurrency=plan.concurrency) as sandbox,
        asyncio.TaskGroup() as lives,
    ):
        relay = RelayProcess(folder, sandbox, free_port(Random(f"{plan.seed}:port")), lives)
        async with aiohttp.ClientSession(
            relay.url,
            headers={"Authorization": f"Bearer {KEY}"},
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
        ) as client:
            try:
                yield Chaos(plan, sandbox, relay, Caller(client, plan.seed))
            finally:
                await relay.kill()
