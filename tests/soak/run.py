"""
One soak: a load of all kinds of work against `relay serve`, accidents one after another, and the truth at the end.

Everything is drawn from one seed. Each order is judged as soon as its viewers have seen its end, and all of them once
more when nothing goes on any longer: what was told once must still stand, to the byte.
"""

import asyncio
import hashlib
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import aiohttp
import orjson
from yarl import URL

from relay.core.codec import decode_snapshot
from relay.core.events import State
from relay.sandbox import Faults, Sandbox, sign
from tests.chaos import judge
from tests.chaos.caller import Caller
from tests.chaos.judge import Told
from tests.chaos.relay_process import KEY, RelayProcess, free_port
from tests.chaos.viewers import COME_BACK_CODES, LOST, Place, Story, Viewer
from tests.soak import gauges
from tests.soak.accidents import IDLE_CONNECTIONS, Accidents
from tests.soak.clock import Clock
from tests.soak.disk import disk
from tests.soak.gauges import MIB, Bounds, Gauges
from tests.soak.orders import Order, Way, Wire, counted, orders
from tests.soak.proxy import Proxy
from tests.soak.truth import Platforms, check_order, unknowable

PROGRAM = Path(__file__).with_name("serve.py")

FILES = 512
"""The open files that the relay may have: half of what a container gets at the least."""

COME_BACK_STATUSES = frozenset({429, 502, 503})
"""The relay or the platform cannot do it now."""

CLOSED_FOR_NOW = COME_BACK_CODES | {1011, 4003, 4004}

SIGNS_OF_A_FAULT = ("Traceback", "crashed", '"level":"critical"')
"""What no accident excuses in the relay's log."""

TELL_EVERY_S = 30.0
LOOK_EVERY_S = 1.0
REST_WITHIN_S = 90.0
"""Longer than an idle connection is kept on either side."""

DISK_BYTES = 32 * MIB
DISK_BYTES_PER_TASK = 512 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much of everything. Durations are seconds."""

    seed: int
    load_s: float
    """How long orders come and accidents happen; what has begun is finished after that."""
    tasks_per_s: float = 1.5
    boards: int = 3
    lists: int = 2
    speed: float = 2.5
    concurrency: int = 60
    flaky: float = 0.05
    upstream_cuts: float = 0.005
    viewer_cuts: tuple[float, ...] = (0.0, 0.01, 0.1)
    longest_accident_s: float = 15.0
    longest_silence_s: float = 150.0
    accidents: tuple[str, ...] = ()
    """Which kinds happen; none named: all of them."""
    finish_s: float = 420.0
    """How long the tasks may take to end when nothing goes wrong any more."""

    @property
    def tasks(self) -> int:
        """How many orders there are."""
        return max(1, round(self.load_s * self.tasks_per_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What happened, in numbers."""

    ways: dict[str, int]
    verdicts: Counter[str]
    lost: int
    """Tasks that ended as `lost`: no platform has them, or nothing could tell."""
    unknowable: int
    """Of these, and of those that still wait, the ones of Apikley that nothing could tell about."""
    runs: int
    losses: int
    answers: Counter[int]
    accidents: Counter[str]
    lives: int
    peaks: gauges.Peaks
    bounds: Bounds
    log_bytes: int
    store_bytes: int
    rest: tuple[int, int]
    disk: str

    def __str__(self) -> str:
        rss_bytes, files = self.rest
        rows = {
            "tasks": ", ".join(f"{count} {way}" for way, count in self.ways.items()),
            "verdicts": dict(sorted(self.verdicts.items())),
            "lost": f"{self.lost}, none of them known to its platform; {self.unknowable} that nothing could tell about",
            "runs": f"{self.runs} received by the platforms, none twice",
            "viewers": f"lost their connections {self.losses} times",
            "answers": dict(sorted(self.answers.items())),
            "accidents": f"{sum(self.accidents.values())}: {dict(self.accidents)} in {self.lives} lives",
            "full disk": self.disk,
            "at once": f"{self.peaks.tasks} tasks, {self.peaks.connections} connections",
            "memory": f"{_mib(self.peaks.rss_bytes)} at most, bound {_mib(self.bounds.rss_bytes)}; "
            f"at rest {_mib(rss_bytes)}",
            "open files": f"{self.peaks.files} at most, bound {self.bounds.files}; at rest {files}",
            "log": f"{_mib(self.log_bytes)}, bound {_mib(self.bounds.log_bytes)}",
            "store": _mib(self.store_bytes),
        }
        return "\n".join(f"{name:>12}  {value}" for name, value in rows.items())


class Soak:
    """One run of a plan. Use `run`."""

    def __init__(
        self,
        plan: Plan,
        *,
        sandbox: Sandbox,
        relay: RelayProcess,
        front: Proxy,
        caller: Caller,
        accidents: Accidents,
        say: Callable[[str], None],
    ) -> None:
        self._plan = plan
        self._sandbox = sandbox
        self._relay = relay
        self._front = front
        self._caller = caller
        self._accidents = accidents
        self._say = say
        self._platforms = Platforms(sandbox)
        self.orders = orders(Random(f"{plan.seed}:orders"), plan.tasks, plan.load_s, plan.longest_silence_s)
        self.open: dict[int, str] = {}
        """What each order that has begun and not ended waits for."""
        self._ended: dict[str, bytes] = {}
        """The digest of each log that was told to its end, by its task."""
        self._waived: set[int] = set()
        """Orders that were never started, or that nothing can tell about."""
        self._losses = 0
        self.gauges = Gauges(lambda: relay.pid, lambda: len(self.open), lambda: front.connections)

    async def run(self) -> Report:
        """
        Have it happen, and judge it.

        Raises:
            BaseExceptionGroup: something was seen on the way that must not be.
            AssertionError: the end is not what is true.
        """
        loop = asyncio.get_running_loop()
        await self._accidents.start()
        async with asyncio.TaskGroup() as group:
            around = [group.create_task(self.gauges.watch()), group.create_task(self._tell())]
            around += [group.create_task(self._board(number)) for number in range(self._plan.boards)]
            around += [group.create_task(self._list(number)) for number in range(self._plan.lists)]
            accidents = group.create_task(self._accidents.until(loop.time() + self._plan.load_s))
            courses = {}
            for order in self.orders:
                await asyncio.sleep(order.wish.pause_s)
                if accidents.done():  # on a busy machine the pauses were longer
                    break
                courses[group.create_task(self._course(order))] = order
            self.orders = list(courses.values())
            await accidents
            self._say("the load is over; waiting for what has begun")
            async with asyncio.timeout(self._plan.finish_s):
                await self._finish(courses)
            for each in around:
                each.cancel()
        return await self._judge()

    def progress(self) -> str:
        """Say in one line how far it is."""
        rss_bytes, files = self.gauges.look()
        log_bytes = self._relay.log.stat().st_size if self._relay.log.exists() else 0
        return (
            f"{len(self._ended)} of {len(self.orders)} tasks ended as they truly did, {len(self.open)} open; "
            f"{sum(self._accidents.counts.values())} accidents {self._accidents.now and f'({self._accidents.now})'}; "
            f"{_mib(rss_bytes)}, {files} files, log {_mib(log_bytes)}"
        )

    def unfinished(self) -> str:
        """Say what has not ended, and why, for whom the time ran out on."""
        return f"{len(self.open)} unfinished: {dict(list(self.open.items())[:20])}"

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(TELL_EVERY_S)
            self._say(self.progress())

    async def _course(self, order: Order) -> None:
        """See one order through: start it, watch it, and hold what was told against the log and the truth."""
        random = Random(f"{self._plan.seed}:course:{order.number}")
        self.open[order.number] = "start"
        place = await self._begin(order)
        if place is None:
            self._waived.add(order.number)
            del self.open[order.number]
            return
        self.open[order.number] = f"end of {place.task}"
        stories = [Story(place=place) for _ in order.wires]
        async with asyncio.TaskGroup() as group:
            for wire, story in zip(order.wires, stories, strict=True):
                group.create_task(self._watch(wire, story, random))
            if order.wish.cancel_after_s is not None:
                group.create_task(self._cancel(place, order.wish.cancel_after_s))
            release = group.create_task(self._release(order))
            await self._end(place, random)
            release.cancel()
        told = await judge.told(self._caller, place.task)
        judge.check_log(told)
        for story in stories:
            judge.check_story(story, told)
        self._losses += sum(story.losses for story in stories)
        self._ended[place.task] = digest(told)
        del self.open[order.number]

    async def _begin(self, order: Order) -> Place | None:
        """Start an order, and return its task; null when it was to be started elsewhere and was not."""
        if order.way is not Way.ATTACH:
            places = [await self._caller.post(order.wish)]
            if order.wish.twice and not order.wish.refused:
                places += await asyncio.gather(*(self._caller.post(order.wish) for _ in range(2)))
            assert len({place.task for place in places}) == 1, f"{order} became several tasks: {places}"
            return places[0]
        await start_elsewhere(self._sandbox, order)
        truth = self._platforms.truth(order)
        if truth is None or truth.task is None:
            return None
        return await self._caller.attach(order.wish, truth.task.token)

    async def _watch(self, wire: Wire, story: Story, random: Random) -> None:
        viewer = Viewer(
            self._front.origin,
            Random(random.random()),
            cut_share=random.choice(self._plan.viewer_cuts),
            renewed=KEY,
            come_back_codes=CLOSED_FOR_NOW,
            come_back_statuses=COME_BACK_STATUSES,
        )
        await asyncio.sleep(random.choice((0, 0, random.uniform(0, 4))))
        match wire:
            case Wire.SOCKET:
                await viewer.over_socket(story)
            case Wire.STREAM:
                await viewer.over_stream(self._caller.session, story)
            case Wire.MANY:
                await viewer.over_many([story], KEY)
            case Wire.SHARED_STREAM:
                await viewer.over_shared_stream(self._caller.session, [story])
            case Wire.POLLS:
                await viewer.over_polls(self._caller.session, [story], random.uniform(0.5, 3.0))

    async def _cancel(self, place: Place, after_s: float) -> None:
        await asyncio.sleep(after_s)
        await self._caller.cancel(place)

    async def _release(self, order: Order) -> None:
        """Let a silent task go on after a while."""
        if order.silent_s is None:
            return
        while True:
            truth = self._platforms.truth(order)
            if truth is not None and truth.task is not None:
                break
            await asyncio.sleep(LOOK_EVERY_S)
        await truth.task.until(lambda task: task.holding_at or task.verdict)
        await asyncio.sleep(order.silent_s)
        self._sandbox.release(truth.upstream_id)

    async def _end(self, place: Place, random: Random) -> None:
        """Wait until a task has ended, as a backend does that asks now and then."""
        while True:
            if decode_snapshot(await self._caller.get(f"/v1/tasks/{place.task}")).done is not None:
                return
            await asyncio.sleep(random.uniform(1.0, 4.0))

    async def _board(self, number: int) -> None:
        """Watch all tasks at once, for as long as the soak lasts."""
        viewer = Viewer(self._front.origin, Random(f"{self._plan.seed}:board:{number}"), cut_share=0.001)
        while True:
            try:
                async with viewer.socket("/v1/ws", KEY) as socket:
                    await socket.send('{"type":"subscribe","all":true}')
                    async for text in socket:
                        assert orjson.loads(text)["type"] != "error", f"board {number} heard {text!r}"
                        if viewer.unlucky():
                            socket.transport.abort()
            except LOST:
                pass
            await viewer.rest()

    async def _list(self, number: int) -> None:
        """List tasks in all the ways that there are, for as long as the soak lasts."""
        random = Random(f"{self._plan.seed}:list:{number}")
        while True:
            wanted = random.choice(
                ({}, {"state": "running"}, {"state": "succeeded"}, {"q": "seedream"}, {"q": "wish-1"})
            )
            await self._caller.get("/v1/tasks", {"limit": random.choice((1, 50, 200)), **wanted})
            await asyncio.sleep(random.uniform(0.5, 3.0))

    async def _finish(self, courses: dict[asyncio.Task[None], Order]) -> None:
        """Wait for what has begun, but for what the relay itself can only wait for."""
        while pending := [course for course in courses if not course.done()]:
            if all([await self._hopeless(courses[course]) for course in pending]):
                for course in pending:
                    self._waived.add(courses[course].number)
                    course.cancel()
                await asyncio.wait(pending)
                return
            await asyncio.wait(pending, timeout=5)

    async def _hopeless(self, order: Order) -> bool:
        """Say whether a task's run was sent to Apikley, and its outcome is unknown: only a callback can tell it."""
        if order.way is not Way.APIKLEY:
            return False
        page = orjson.loads(await self._caller.get("/v1/tasks", {"tag": order.wish.tag, "limit": 1}))
        return bool(page["tasks"]) and page["tasks"][0]["state"] == State.SUBMITTING

    async def _rest(self) -> tuple[int, int]:
        """Return what the relay takes when nothing goes on any more, after its last connections have idled out."""
        until = asyncio.get_running_loop().time() + REST_WITHIN_S
        while True:
            rss_bytes, files = self.gauges.look()
            if files <= gauges.PROCESS_FILES or asyncio.get_running_loop().time() > until:
                return rss_bytes, files
            await asyncio.sleep(LOOK_EVERY_S)

    async def _judge(self) -> Report:
        rest = await self._rest()
        found = await judge.tasks_by_wish(self._caller)
        verdicts: Counter[str] = Counter()
        nothing_told = 0
        for order in self.orders:
            made = [await judge.told(self._caller, task) for task in found.get(order.wish.tag, [])]
            for task in made:
                before = self._ended.pop(task.snapshot.id, None)
                assert before in (None, digest(task)), f"{order}: the log of {task.snapshot.id} is another one now"
                verdicts[task.snapshot.state.value] += 1
                if task.snapshot.state in (State.LOST, State.SUBMITTING):
                    nothing_told += unknowable(order, task)
            if order.number in self._waived:
                self._platforms.check_sent_once(order, max(1, len(made)))
                continue
            for task in made:
                judge.check_log(task)
            check_order(order, made, self._platforms)
        assert not self._ended, f"tasks that had ended are gone: {list(self._ended)}"
        assert not (faults := self._relay.faults(SIGNS_OF_A_FAULT)), f"the relay's log tells of {faults[:3]}"
        peaks = self.gauges.peaks
        report = Report(
            ways=counted(self.orders),
            verdicts=verdicts,
            lost=verdicts[State.LOST.value],
            unknowable=nothing_told,
            runs=self._platforms.received,
            losses=self._losses,
            answers=self._caller.answers,
            accidents=self._accidents.counts,
            lives=self._relay.started,
            peaks=peaks,
            bounds=gauges.bounds(
                peaks,
                tasks=sum(verdicts.values()),
                lives=self._relay.started,
                faults=sum(self._accidents.counts.values()),
                idle=IDLE_CONNECTIONS,
            ),
            log_bytes=self._relay.log.stat().st_size,
            store_bytes=sum(each.stat().st_size for each in (self._relay.folder / "store").iterdir() if each.is_file()),
            rest=rest,
            disk=self._accidents.disk_kind,
        )
        _check_bounds(report)
        return report


async def start_elsewhere(sandbox: Sandbox, order: Order) -> None:
    """Send a run as another client of the same account does, once, whatever comes of it."""
    key, nonce = sandbox.api_key, str(time.time_ns())
    headers = {"x-api-key": key, "x-nonce": nonce, "x-signature": sign(key, sandbox.api_secret or "", nonce)}
    url = f"{sandbox.api_url}/Run/{order.wish.model}"
    try:
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(url, json={"prompt": order.wish.prompt}) as answer,
        ):
            await answer.read()
    except LOST:
        pass


def digest(task: Told) -> bytes:
    """Return what tells whether a log is still the same, to the byte."""
    return hashlib.sha256(b"\n".join(task.entries)).digest()


def _check_bounds(report: Report) -> None:
    bounds, peaks = report.bounds, report.peaks
    _, files = report.rest  # memory at rest is bounded by its peak: an allocator gives little of it back
    assert peaks.rss_bytes <= bounds.rss_bytes, f"memory beyond its bound:\n{report}"
    assert peaks.files <= min(bounds.files, FILES), f"open files beyond their bound:\n{report}"
    assert report.log_bytes <= bounds.log_bytes, f"the log is beyond its bound:\n{report}"
    assert files <= gauges.PROCESS_FILES, f"open files that the relay does not give back:\n{report}"


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / MIB:.1f} MiB"


async def run(plan: Plan, folder: Path, say: Callable[[str], None]) -> Report:
    """
    Run a plan in an empty folder; whatever goes wrong has the seed in a note.

    Raises:
        TimeoutError: it did not come to an end within the plan's time.
        BaseExceptionGroup: something was seen on the way that must not be.
        AssertionError: the end is not what is true.
    """
    soak: Soak | None = None
    try:
        async with _ready(plan, folder, say) as soak:
            return await soak.run()
    except BaseException as error:
        waiting = f"{soak.progress()}; {soak.unfinished()}" if soak else ""
        error.add_note(f"soak: seed {plan.seed}, relay's log in {folder}; {waiting}")
        raise


@asynccontextmanager
async def _ready(plan: Plan, folder: Path, say: Callable[[str], None]) -> AsyncIterator[Soak]:
    ports, clock = Random(f"{plan.seed}:ports"), Clock(folder)
    movable = await clock.build()
    if not movable:
        say("no C compiler: the clock stays where it is")
    store = folder / "store"
    store.mkdir()
    relay_port = free_port(ports)
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(
            Sandbox(
                speed=plan.speed,
                seed=plan.seed,
                faults=Faults(flaky=plan.flaky, cut_share=plan.upstream_cuts),
                concurrency=plan.concurrency,
            )
        )
        front = await stack.enter_async_context(Proxy(free_port(ports), relay_port))
        upstream = await stack.enter_async_context(Proxy(free_port(ports), URL(sandbox.origin).port or 0))
        session = await stack.enter_async_context(
            aiohttp.ClientSession(
                front.origin,
                headers={"Authorization": f"Bearer {KEY}"},
                connector=aiohttp.TCPConnector(limit=0),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
            )
        )
        lives = await stack.enter_async_context(asyncio.TaskGroup())
        relay = RelayProcess(
            folder,
            sandbox,
            relay_port,
            lives,
            command=(sys.executable, PROGRAM, str(FILES), "serve"),
            settings={
                "RELAY_STORE": f"sqlite:///{store}/relay.db",
                "RELAY_SILENCE": "20",
                "RELAY_REQUEST_TIMEOUT": "10",
                "WIRO_API_URL": f"{upstream.origin}/v1",
                "WIRO_SOCKET_URL": f"{upstream.origin.replace('http', 'ws', 1)}/v1",
                "APIKLEY_API_KEY": sandbox.apikley_key,
                "APIKLEY_API_URL": upstream.origin,
                "APIKLEY_WEBHOOK_SECRET": sandbox.apikley_webhook_secret,
                **(clock.environment if movable else {}),
            },
        )
        size_bytes = DISK_BYTES + plan.tasks * DISK_BYTES_PER_TASK
        held = await stack.enter_async_context(disk(store, size_bytes, lambda: relay.pid))
        stack.push_async_callback(relay.kill)
        accidents = Accidents(
            relay,
            front=front,
            upstream=upstream,
            disk=held,
            clock=clock if movable else None,
            random=Random(f"{plan.seed}:accidents"),
            longest_s=plan.longest_accident_s,
            only=plan.accidents,
        )
        caller = Caller(session, plan.seed, come_back=COME_BACK_STATUSES)
        yield Soak(plan, sandbox=sandbox, relay=relay, front=front, caller=caller, accidents=accidents, say=say)
