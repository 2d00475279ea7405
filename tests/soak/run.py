"""
One soak: a mixed load against `relay serve` while one failure follows another, and checks at the end.

Everything is drawn from one seed. Each task is checked when its viewers have seen its end, and again at the end of the
run: what was sent once must not change.
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
from typing import Any

import aiohttp
import orjson
from yarl import URL

from relay.core.codec import decode_snapshot
from relay.core.events import State
from relay.sandbox import Faults, Sandbox, sign
from tests.chaos import judge
from tests.chaos.caller import Caller
from tests.chaos.judge import TaskLog
from tests.chaos.relay_process import KEY, RelayProcess, free_port
from tests.chaos.viewers import COME_BACK_CODES, LOST, TaskLink, View, Viewer
from tests.proxy import Proxy
from tests.soak import gauges
from tests.soak.clock import Clock
from tests.soak.disk import disk
from tests.soak.failures import IDLE_CONNECTIONS, Failures
from tests.soak.gauges import MIB, Bounds, Gauges
from tests.soak.truth import Platforms, check_item, unknowable
from tests.soak.workload import LoadItem, Origin, Transport, counted, load_items

PROGRAM = Path(__file__).with_name("serve.py")

FILES = 512
"""The relay's limit of open files: half of the usual minimum in containers."""

COME_BACK_STATUSES = frozenset({429, 502, 503})
"""The relay or the platform is temporarily unavailable."""

CLOSED_FOR_NOW = COME_BACK_CODES | {1011, 4003, 4004}

SIGNS_OF_A_FAULT = ("Traceback", "crashed", '"level": "critical"')
"""What must never be in the relay's log."""

REPORT_EVERY_S = 30.0
LOOK_EVERY_S = 1.0
SILENT_S = 60.0
"""How long a client waits for the next byte. The relay pings every 15 s."""
REST_WITHIN_S = 90.0
"""Longer than either side keeps an idle connection."""

DISK_BYTES = 32 * MIB
DISK_BYTES_PER_TASK = 512 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The parameters of a run; durations in seconds."""

    seed: int
    load_s: float
    """How long tasks start and failures happen; running tasks are finished afterwards."""
    tasks_per_s: float = 1.5
    boards: int = 3
    lists: int = 2
    speed: float = 2.5
    concurrency: int = 60
    flaky: float = 0.05
    upstream_cuts: float = 0.005
    viewer_cuts: tuple[float, ...] = (0.0, 0.01, 0.1)
    longest_failure_s: float = 15.0
    longest_silence_s: float = 150.0
    failures: tuple[str, ...] = ()
    """The kinds of failure to use; empty means all."""
    finish_s: float = 420.0
    """How long running tasks may take to end after the last failure."""

    @property
    def tasks(self) -> int:
        """The number of tasks to start."""
        return max(1, round(self.load_s * self.tasks_per_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The result in numbers."""

    origins: dict[str, int]
    verdicts: Counter[str]
    lost: int
    """Tasks that ended as `lost`: no platform has them, or their outcome cannot be known."""
    unknowable: int
    """The Apikley tasks among these, and among the waiting ones, whose outcome cannot be known."""
    runs: int
    losses: int
    answers: Counter[int]
    failures: Counter[str]
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
            "tasks": ", ".join(f"{count} {origin}" for origin, count in self.origins.items()),
            "verdicts": dict(sorted(self.verdicts.items())),
            "lost": f"{self.lost}, none of them known to its platform; {self.unknowable} unknowable",
            "runs": f"{self.runs} received by the platforms, none twice",
            "viewers": f"lost their connections {self.losses} times",
            "answers": dict(sorted(self.answers.items())),
            "failures": f"{sum(self.failures.values())}: {dict(self.failures)} in {self.lives} starts",
            "full disk": self.disk,
            "at once": f"{self.peaks.tasks} tasks, {self.peaks.connections} connections",
            "memory": f"{_mib(self.peaks.rss_bytes)} at most, limit {_mib(self.bounds.rss_bytes)}; "
            f"at rest {_mib(rss_bytes)}",
            "open files": f"{self.peaks.files} at most, limit {self.bounds.files}; at rest {files}",
            "log": f"{_mib(self.log_bytes)}, limit {_mib(self.bounds.log_bytes)}",
            "store": _mib(self.store_bytes),
        }
        return "\n".join(f"{name:>12}  {value}" for name, value in rows.items())


@dataclass(frozen=True, slots=True)
class Watch:
    """One viewer of one task, and the asyncio task that runs it."""

    transport: Transport
    view: View
    task: asyncio.Task[None]

    def __str__(self) -> str:
        """Describe what it has received and, while it runs, the innermost lines that it waits in."""
        frames: list[str] = []
        awaited: Any = None if self.task.done() else self.task.get_coro()
        while awaited is not None:
            frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
            frame = frame or getattr(awaited, "ag_frame", None)
            if frame is not None:
                frames.append(f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno} {frame.f_code.co_name}")
            awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
        at = "has ended" if self.task.done() else " > ".join(frames[-4:])
        return f"{self.transport} {self.view!r}, {self.view.losses} losses: {at}"


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
        failures: Failures,
        report: Callable[[str], None],
    ) -> None:
        self._plan = plan
        self._sandbox = sandbox
        self._relay = relay
        self._front = front
        self._caller = caller
        self._failures = failures
        self._print = report
        self._platforms = Platforms(sandbox)
        self.load_items = load_items(Random(f"{plan.seed}:load"), plan.tasks, plan.load_s, plan.longest_silence_s)
        self.open: dict[int, str] = {}
        """What each running task waits for, by number."""
        self._watches: dict[int, list[Watch]] = {}
        """The viewers of each task, by number."""
        self._ended: dict[str, bytes] = {}
        """The digest of each finished log by task id."""
        self._excluded: set[int] = set()
        """Tasks that were never started, or whose outcome cannot be known."""
        self._losses = 0
        self.gauges = Gauges(lambda: relay.pid, lambda: len(self.open), lambda: front.connections)

    async def run(self) -> Report:
        """
        Carry out the plan, and check the result.

        Raises:
            BaseExceptionGroup: a check failed during the run.
            AssertionError: a check failed at the end.
        """
        loop = asyncio.get_running_loop()
        await self._failures.start()
        async with asyncio.TaskGroup() as group:
            around = [group.create_task(self.gauges.watch()), group.create_task(self._report_progress())]
            around += [group.create_task(self._board(number)) for number in range(self._plan.boards)]
            around += [group.create_task(self._list(number)) for number in range(self._plan.lists)]
            failures = group.create_task(self._failures.until(loop.time() + self._plan.load_s))
            followers = {}
            for item in self.load_items:
                await asyncio.sleep(item.planned.pause_s)
                if failures.done():  # on a busy machine the pauses were longer
                    break
                followers[group.create_task(self._follow(item))] = item
            self.load_items = list(followers.values())
            await failures
            self._print("the load has ended; waiting for the running tasks")
            try:
                async with asyncio.timeout(self._plan.finish_s):
                    await self._finish(followers)
            except TimeoutError:
                self._print(self.unfinished())  # before the viewers are cancelled
                raise
            for each in around:
                each.cancel()
        return await self._judge()

    def progress(self) -> str:
        """Return the progress in one line."""
        rss_bytes, files = self.gauges.look()
        log_bytes = self._relay.log.stat().st_size if self._relay.log.exists() else 0
        return (
            f"{len(self._ended)} of {len(self.load_items)} tasks ended correctly, {len(self.open)} open; "
            f"{sum(self._failures.counts.values())} failures {self._failures.now and f'({self._failures.now})'}; "
            f"{_mib(rss_bytes)}, {files} files, log {_mib(log_bytes)}"
        )

    def unfinished(self) -> str:
        """Describe what has not ended, for a run that timed out."""
        shown = list(self.open.items())[:20]
        return f"{len(self.open)} unfinished: " + "; ".join(
            f"{number} {what} {[str(watch) for watch in self._watches.get(number, ())]}" for number, what in shown
        )

    async def _report_progress(self) -> None:
        while True:
            await asyncio.sleep(REPORT_EVERY_S)
            self._print(self.progress())

    async def _follow(self, item: LoadItem) -> None:
        """Start one task, watch it, and check what its viewers received against its log."""
        random = Random(f"{self._plan.seed}:follower:{item.number}")
        self.open[item.number] = "start"
        link = await self._begin(item)
        if link is None:
            self._excluded.add(item.number)
            del self.open[item.number]
            return
        self.open[item.number] = f"end of {link.task}"
        views = [View(link=link) for _ in item.transports]
        async with asyncio.TaskGroup() as group:
            for transport, view in zip(item.transports, views, strict=True):
                watching = group.create_task(self._watch(transport, view, random))
                self._watches.setdefault(item.number, []).append(Watch(transport, view, watching))
            if item.planned.cancel_after_s is not None:
                group.create_task(self._cancel(link, item.planned.cancel_after_s))
            release = group.create_task(self._release(item))
            await self._end(link, random)
            release.cancel()
        log = await judge.read_log(self._caller, link.task)
        judge.check_log(log)
        for view in views:
            judge.check_view(view, log)
        self._losses += sum(view.losses for view in views)
        self._ended[link.task] = digest(log)
        del self.open[item.number]

    async def _begin(self, item: LoadItem) -> TaskLink | None:
        """Start a task; return None if it was to be started without the relay and the platform refused."""
        if item.origin is not Origin.ATTACH:
            links = [await self._caller.post(item.planned)]
            if item.planned.twice and not item.planned.refused:
                links += await asyncio.gather(*(self._caller.post(item.planned) for _ in range(2)))
            assert len({link.task for link in links}) == 1, f"{item} became several tasks: {links}"
            return links[0]
        await start_directly(self._sandbox, item)
        truth = self._platforms.truth(item)
        if truth is None or truth.task is None:
            return None
        return await self._caller.attach(item.planned, truth.task.token)

    async def _watch(self, transport: Transport, view: View, random: Random) -> None:
        viewer = Viewer(
            self._front.origin,
            Random(random.random()),
            cut_share=random.choice(self._plan.viewer_cuts),
            renewed=KEY,
            come_back_codes=CLOSED_FOR_NOW,
            come_back_statuses=COME_BACK_STATUSES,
        )
        await asyncio.sleep(random.choice((0, 0, random.uniform(0, 4))))
        match transport:
            case Transport.SOCKET:
                await viewer.over_socket(view)
            case Transport.STREAM:
                await viewer.over_stream(self._caller.session, view)
            case Transport.MANY:
                await viewer.over_many([view], KEY)
            case Transport.SHARED_STREAM:
                await viewer.over_shared_stream(self._caller.session, [view])
            case Transport.POLLS:
                await viewer.over_polls(self._caller.session, [view], random.uniform(0.5, 3.0))

    async def _cancel(self, link: TaskLink, after_s: float) -> None:
        await asyncio.sleep(after_s)
        await self._caller.cancel(link)

    async def _release(self, item: LoadItem) -> None:
        """Release a silent task after its silence."""
        if item.silent_s is None:
            return
        while True:
            truth = self._platforms.truth(item)
            if truth is not None and truth.task is not None:
                break
            await asyncio.sleep(LOOK_EVERY_S)
        await truth.task.until(lambda task: task.holding_at or task.verdict)
        await asyncio.sleep(item.silent_s)
        self._sandbox.release(truth.upstream_id)

    async def _end(self, link: TaskLink, random: Random) -> None:
        """Poll a task until it has ended, as a backend does."""
        while True:
            if decode_snapshot(await self._caller.get(f"/v1/tasks/{link.task}")).done is not None:
                return
            await asyncio.sleep(random.uniform(1.0, 4.0))

    async def _board(self, number: int) -> None:
        """Watch all tasks over one WebSocket during the whole soak."""
        viewer = Viewer(self._front.origin, Random(f"{self._plan.seed}:board:{number}"), cut_share=0.001)
        while True:
            try:
                async with viewer.socket("/v1/ws", KEY) as socket:
                    await socket.send('{"type":"subscribe","all":true}')
                    async for text in socket:
                        assert orjson.loads(text)["type"] != "error", f"board {number} received {text!r}"
                        if viewer.is_cut():
                            socket.transport.abort()
            except LOST:
                pass
            await viewer.back_off()

    async def _list(self, number: int) -> None:
        """List tasks with random filters during the whole soak."""
        random = Random(f"{self._plan.seed}:list:{number}")
        while True:
            wanted = random.choice(
                ({}, {"state": "running"}, {"state": "succeeded"}, {"q": "seedream"}, {"q": "task-1"})
            )
            await self._caller.get("/v1/tasks", {"limit": random.choice((1, 50, 200)), **wanted})
            await asyncio.sleep(random.uniform(0.5, 3.0))

    async def _finish(self, followers: dict[asyncio.Task[None], LoadItem]) -> None:
        """Wait for the running tasks, except those whose outcome the relay cannot know."""
        while pending := [follower for follower in followers if not follower.done()]:
            if all([await self._cannot_be_known(followers[follower]) for follower in pending]):
                for follower in pending:
                    self._excluded.add(followers[follower].number)
                    follower.cancel()
                await asyncio.wait(pending)
                return
            await asyncio.wait(pending, timeout=5)

    async def _cannot_be_known(self, item: LoadItem) -> bool:
        """Return whether the task was sent to Apikley with an unknown outcome, which only a callback can resolve."""
        if item.origin is not Origin.APIKLEY:
            return False
        page = orjson.loads(await self._caller.get("/v1/tasks", {"tag": item.planned.tag, "limit": 1}))
        return bool(page["tasks"]) and page["tasks"][0]["state"] == State.SUBMITTING

    async def _rest(self) -> tuple[int, int]:
        """Return the relay's memory (bytes) and open files at rest, after its idle connections have closed."""
        until = asyncio.get_running_loop().time() + REST_WITHIN_S
        while True:
            rss_bytes, files = self.gauges.look()
            if files <= gauges.PROCESS_FILES or asyncio.get_running_loop().time() > until:
                return rss_bytes, files
            await asyncio.sleep(LOOK_EVERY_S)

    async def _judge(self) -> Report:
        rest = await self._rest()
        found = await judge.tasks_by_tag(self._caller)
        verdicts: Counter[str] = Counter()
        unknown = 0
        for item in self.load_items:
            made = [await judge.read_log(self._caller, task) for task in found.get(item.planned.tag, [])]
            for task in made:
                before = self._ended.pop(task.snapshot.id, None)
                assert before in (None, digest(task)), f"{item}: the log of {task.snapshot.id} has changed"
                verdicts[task.snapshot.state.value] += 1
                if task.snapshot.state in (State.LOST, State.SUBMITTING):
                    unknown += unknowable(item, task)
            if item.number in self._excluded:
                self._platforms.check_sent_once(item, max(1, len(made)))
                continue
            for task in made:
                judge.check_log(task)
            check_item(item, made, self._platforms)
        assert not self._ended, f"finished tasks are missing: {list(self._ended)}"
        assert not (faults := self._relay.faults(SIGNS_OF_A_FAULT)), f"the relay logged {faults[:3]}"
        peaks = self.gauges.peaks
        report = Report(
            origins=counted(self.load_items),
            verdicts=verdicts,
            lost=verdicts[State.LOST.value],
            unknowable=unknown,
            runs=self._platforms.received,
            losses=self._losses,
            answers=self._caller.answers,
            failures=self._failures.counts,
            lives=self._relay.started,
            peaks=peaks,
            bounds=gauges.bounds(
                peaks,
                tasks=sum(verdicts.values()),
                lives=self._relay.started,
                faults=sum(self._failures.counts.values()),
                idle=IDLE_CONNECTIONS,
            ),
            log_bytes=self._relay.log.stat().st_size,
            store_bytes=sum(each.stat().st_size for each in (self._relay.folder / "store").iterdir() if each.is_file()),
            rest=rest,
            disk=self._failures.disk_kind,
        )
        _check_bounds(report)
        return report


async def start_directly(sandbox: Sandbox, item: LoadItem) -> None:
    """Send a run once, without the relay, as another client of the same account; ignore the answer."""
    key, nonce = sandbox.api_key, str(time.time_ns())
    headers = {"x-api-key": key, "x-nonce": nonce, "x-signature": sign(key, sandbox.api_secret or "", nonce)}
    url = f"{sandbox.api_url}/Run/{item.planned.model}"
    try:
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(url, json={"prompt": item.planned.prompt}) as answer,
        ):
            await answer.read()
    except LOST:
        pass


def digest(task: TaskLog) -> bytes:
    """Return a hash of the log's bytes."""
    return hashlib.sha256(b"\n".join(task.entries)).digest()


def _check_bounds(report: Report) -> None:
    bounds, peaks = report.bounds, report.peaks
    _, files = report.rest  # memory at rest is bounded by its peak: an allocator gives little of it back
    assert peaks.rss_bytes <= bounds.rss_bytes, f"memory above its limit:\n{report}"
    assert peaks.files <= min(bounds.files, FILES), f"open files above their limit:\n{report}"
    assert report.log_bytes <= bounds.log_bytes, f"the log is above its limit:\n{report}"
    assert files <= gauges.PROCESS_FILES, f"open files that were not closed:\n{report}"


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / MIB:.1f} MiB"


async def run(plan: Plan, folder: Path, report: Callable[[str], None]) -> Report:
    """
    Run a plan in an empty folder; add the seed as a note to any exception.

    Raises:
        TimeoutError: the run did not end within the plan's time limit.
        BaseExceptionGroup: a check failed during the run.
        AssertionError: a check failed at the end.
    """
    soak: Soak | None = None
    try:
        async with _ready(plan, folder, report) as soak:
            return await soak.run()
    except BaseException as error:
        waiting = f"{soak.progress()}; {soak.unfinished()}" if soak else ""
        error.add_note(f"soak: seed {plan.seed}, relay's log in {folder}; {waiting}")
        raise


@asynccontextmanager
async def _ready(plan: Plan, folder: Path, report: Callable[[str], None]) -> AsyncIterator[Soak]:
    ports, clock = Random(f"{plan.seed}:ports"), Clock(folder)
    movable = await clock.build()
    if not movable:
        report("no C compiler: the clock does not change")
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
                # A stream through a hanging proxy stays open if the relay is killed meanwhile. Real clients
                # notice that the pings are missing.
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=SILENT_S),
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
        failures = Failures(
            relay,
            front=front,
            upstream=upstream,
            disk=held,
            clock=clock if movable else None,
            random=Random(f"{plan.seed}:failures"),
            longest_s=plan.longest_failure_s,
            only=plan.failures,
        )
        caller = Caller(session, plan.seed, come_back=COME_BACK_STATUSES)
        yield Soak(plan, sandbox=sandbox, relay=relay, front=front, caller=caller, failures=failures, report=report)
