"""
The simulated upstreams as a whole: Wiro's REST and task socket, Apikley's calls, files and desk, all on one port.

Puts the parts together and owns their lifetime. Nothing leaves the machine and nothing is stored.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Self

from aiohttp import web

from relay import log
from relay.errors import ConfigError
from relay.sandbox.apikley.calls import API_KEY as APIKLEY_KEY
from relay.sandbox.apikley.calls import WEBHOOK_SECRET, Apikley
from relay.sandbox.apikley.calls import Call as ApikleyCall
from relay.sandbox.apikley.jobs import CreateRequest, Job
from relay.sandbox.control import Desk
from relay.sandbox.recording.apikley import RecordedApikley
from relay.sandbox.recording.parse import Source, read
from relay.sandbox.recording.playback import Stage
from relay.sandbox.recording.wiro import RecordedWiro
from relay.sandbox.switches.faults import Faults
from relay.sandbox.switches.values import Dialect
from relay.sandbox.wiro.auth import API_KEY, API_SECRET, PLAIN_KEY, Accounts
from relay.sandbox.wiro.cdn import Cdn
from relay.sandbox.wiro.file_calls import Entry, FileCalls, FileRequest
from relay.sandbox.wiro.file_store import Shelf
from relay.sandbox.wiro.middleware import Call, Edge, unknown
from relay.sandbox.wiro.random_faults import Chance
from relay.sandbox.wiro.run_call import Runs
from relay.sandbox.wiro.sync_run import SyncRuns
from relay.sandbox.wiro.task_calls import TaskCalls
from relay.sandbox.wiro.task_runner import Player
from relay.sandbox.wiro.task_socket import Audience
from relay.sandbox.wiro.tasks import Ledger, RunRequest, Task
from relay.sandbox.wiro.tool_calls import Tools
from relay.sandbox.wiro.webhooks import Webhooks

_HOST = "127.0.0.1"
_MAX_BODY_BYTES = 16 * 1024 * 1024
_log = log.get("sandbox")


class Sandbox:
    """
    A Wiro and an Apikley of one's own, for as long as the `async with` lasts.

    Args:
        port: where it listens on loopback; 0 picks a free one.
        dialect: the generation of the documents that it follows, unless a task's switches say otherwise.
        speed: 1.0 is a realistic pace, 100.0 a hundred times that.
        seed: of the scripts; the n-th task of a seed always takes the same course.
        accounts: API key to secret, null for projects that are authorized by the key alone; the first is the one that
            `api_key` and `api_secret` show. Default one of each kind.
        faults: the position of every switch, unless a task's own say otherwise.
        concurrency: how many tasks of an account may be live before Run answers with code 96; null is no limit.
        heartbeat_s: the seconds between two pings on the task socket.
        nonce_once: refuse a nonce that was used before.
        script: a recording to play, as a path or as its lines; docs/sandbox.md has the format.

    Raises:
        ConfigError: the speed is not above 0, or the script is wrong.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        dialect: Dialect = "gen1",
        speed: float = 1.0,
        seed: int = 0,
        accounts: Mapping[str, str | None] | None = None,
        faults: Faults | None = None,
        concurrency: int | None = None,
        heartbeat_s: float = 30.0,
        nonce_once: bool = False,
        script: Source | None = None,
    ) -> None:
        if speed <= 0:
            raise ConfigError("sandbox: speed takes a number above 0")
        self._asked_port = port
        self._port = 0
        secrets = {API_KEY: API_SECRET, PLAIN_KEY: None} if accounts is None else accounts
        self.api_key, self.api_secret = next(iter(secrets.items()))
        self._faults = faults = faults or Faults()
        self._dialect = dialect
        self._closing = asyncio.Event()
        self._ledger = Ledger()
        self._shelf = Shelf()
        self._desk = Desk(self._ledger, faults)
        self._chance = Chance(faults, seed)
        known = Accounts(secrets=secrets, nonce_once=nonce_once)
        self._edge = Edge(known, faults, self._chance, closing=self._closing)
        self._audience = Audience(self._ledger, faults, self._chance, heartbeat_s=heartbeat_s)
        self._stage = (
            None if script is None else Stage(read(script), self._audience, speed=speed, closing=self._closing)
        )
        self._webhooks = Webhooks()
        self._player = Player(self._audience, self._webhooks, speed=speed)
        self._runs = Runs(
            self._ledger,
            self._player,
            self._shelf,
            faults=faults,
            next_switches=self._desk.take,
            dialect=dialect,
            seed=seed,
            concurrency=concurrency,
            chance=self._chance,
            closing=self._closing,
        )
        self._calls = TaskCalls(self._ledger, self._player, self._shelf, faults=faults, closing=self._closing)
        self._files = FileCalls(self._shelf, faults=faults, next_switches=self._desk.take_file, closing=self._closing)
        self._tools = Tools(faults)
        self._cdn = Cdn(self._ledger, self._shelf, seed, self._stage)
        self._apikley = Apikley(
            faults=faults, next_switches=self._desk.take, speed=speed, seed=seed, closing=self._closing
        )
        self.apikley_key, self.apikley_webhook_secret = APIKLEY_KEY, WEBHOOK_SECRET
        self._stack = AsyncExitStack()

    @property
    def api_url(self) -> str:
        """The base of the REST calls, without a slash at its end."""
        return f"http://{_HOST}:{self._port}/v1"

    @property
    def socket_url(self) -> str:
        """The address of the task socket."""
        return f"ws://{_HOST}:{self._port}/v1"

    @property
    def origin(self) -> str:
        """Everything of it, files included, is under this address: what a page's policy must allow."""
        return f"http://{_HOST}:{self._port}"

    @property
    def apikley_url(self) -> str:
        """The base of Apikley's calls, without a slash at its end."""
        return self.origin

    @property
    def cdn_url(self) -> str:
        """The base of the outputs' addresses."""
        return f"http://{_HOST}:{self._port}/cdn"

    @property
    def desk_url(self) -> str:
        """The base of the calls for people and tests."""
        return f"http://{_HOST}:{self._port}/sandbox"

    @property
    def tasks(self) -> Mapping[str, Task]:
        """Every task by its id, as it really is."""
        return self._ledger.tasks

    @property
    def runs(self) -> Sequence[RunRequest]:
        """Every Run that was received, in order, started or not."""
        return tuple(self._ledger.runs)

    @property
    def file_calls(self) -> Sequence[FileRequest]:
        """Every call about files that was received, in order, whatever became of it."""
        return tuple(self._files.received)

    @property
    def files(self) -> Mapping[str, Entry]:
        """Every folder that was made and every file that was uploaded, by its id."""
        return self._files.entries

    @property
    def jobs(self) -> Mapping[str, Job]:
        """Every job of Apikley by its id, as it really is."""
        return self._apikley.jobs.by_id

    @property
    def created(self) -> Sequence[CreateRequest]:
        """Every createTask that Apikley received, in order, whatever became of it."""
        return tuple(self._apikley.jobs.created)

    def next_run(self, **switches: object) -> None:
        """
        Set switches for the next Run that has none set yet: `next_run(exit=1, hold_at="task_queue")`.

        Raises:
            ConfigError: there is no such switch, or it takes another kind of value.
        """
        self._desk.queue(switches)

    def next_file_call(self, **switches: object) -> None:
        """
        Set switches for the next call about files that has none set yet: `next_file_call(file_http="502:html")`.

        Raises:
            ConfigError: there is no such switch, or it takes another kind of value.
        """
        self._desk.queue_file(switches)

    def release(self, task_id: str) -> None:
        """Let a task, or a job of Apikley, go on that holds."""
        gates = self._apikley.jobs.by_id if task_id in self._apikley.jobs.by_id else self._ledger.tasks
        gates[task_id].gate.set()

    async def until(self, task_id: str, condition: Callable[[Task], object]) -> Task:
        """Wait until a condition holds for a task: `await sandbox.until(id, lambda task: task.verdict)`."""
        task = self._ledger.tasks[task_id]
        await task.until(condition)
        return task

    async def received(self, count: int) -> None:
        """Wait until so many Runs were received, whatever became of them."""
        await self._ledger.received(count)

    async def subscribed(self, task_id: str) -> None:
        """Wait until some socket has subscribed to a task, now or before."""
        await self._audience.arrival(self._ledger.tasks[task_id].token)

    def subscribers(self, task_id: str) -> int:
        """Return how many sockets have subscribed to a task."""
        return self._audience.subscribers(self._ledger.tasks[task_id].token)

    async def __aenter__(self) -> Self:
        runner = web.AppRunner(self._app(), handler_cancellation=True, shutdown_timeout=1.0, access_log=None)
        self._stack.enter_context(self._shelf)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        self._stack.push_async_callback(self._webhooks.close)
        self._stack.push_async_callback(self._player.close)
        self._stack.push_async_callback(self._apikley.close)
        self._stack.push_async_callback(self._audience.close_all)
        self._stack.callback(self._closing.set)
        try:
            site = web.TCPSite(runner, _HOST, self._asked_port)
            await site.start()
        except OSError as error:
            await self._stack.aclose()
            raise ConfigError(f"sandbox: cannot listen on {_HOST}:{self._asked_port}: {error.strerror}") from error
        self._port = int(runner.addresses[0][1])
        if self._stage is not None:
            self._stage.open(self.origin)
            self._stack.push_async_callback(self._stage.close)
        _log.info("sandbox.started", api=self.api_url, socket=self.socket_url)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
        _log.info("sandbox.stopped")

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=_MAX_BODY_BYTES)
        calls: dict[str, Call] = {
            "/v1/Run/{owner}/{model}": self._runs.run,
            "/v1/Task/Detail": self._edge.chancy(self._calls.detail),
            "/v1/Task/List": self._edge.chancy(self._calls.list),
            "/v1/Task/Cancel": self._edge.chancy(self._calls.cancel),
            "/v1/Task/Kill": self._edge.chancy(self._calls.kill),
            "/v1/Task/InputOutputDelete": self._edge.chancy(self._calls.delete_files),
            "/v1/File/Upload": self._edge.chancy(self._files.upload),
            "/v1/File/FolderCreate": self._edge.chancy(self._files.create_folder),
            "/v1/Tool/List": self._edge.chancy(self._tools.listing),
            "/v1/Tool/Detail": self._edge.chancy(self._tools.detail),
            "/v1/Tool/Explore": self._edge.chancy(self._tools.explore),
            "/v1/Tool/DetailOpenAPI": self._edge.chancy(self._tools.specification),
        }
        if self._dialect == "gen2":
            app.router.add_post(
                "/v1/Run/{owner}/{model}/sync", self._edge.authorized(SyncRuns(self._runs.run, self._faults).run)
            )
        for path, call in calls.items():
            app.router.add_post(path, self._edge.authorized(self._recorded(path, call)))
        app.router.add_options("/v1/{anything:.*}", self._edge.preflight)
        app.on_response_prepare.append(self._edge.allow_origin)
        app.router.add_get("/v1", self._socket)
        app.router.add_get("/cdn/{folder}/{name}", self._cdn.handle)
        app.router.add_get("/v1/File/{folder}/{name}", self._cdn.handle)
        self._apikley.add_routes(app, self._recorded_apikley)
        app.router.add_get("/sandbox/tasks", self._desk.tasks)
        app.router.add_post("/sandbox/faults", self._desk.set_faults)
        app.router.add_post("/sandbox/release", self._desk.release)
        app.router.add_route("*", "/{anything:.*}", unknown)
        return app

    def _recorded(self, path: str, call: Call) -> Call:
        if self._stage is None:
            return call
        channel = path.removeprefix("/v1/").removesuffix("/{owner}/{model}")
        return RecordedWiro(self._stage, self._ledger, self._audience, self._shelf).wrap(channel, call)

    def _recorded_apikley(self, channel: str, call: ApikleyCall) -> ApikleyCall:
        if self._stage is None:
            return call
        return RecordedApikley(self._stage, self._apikley.jobs, WEBHOOK_SECRET).wrap(channel, call)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return await unknown(request)
        if self._stage is None:
            return await self._audience.handle(request)
        return await self._stage.connect(request, lambda: self._audience.handle(request))


async def serve(
    *,
    port: int,
    dialect: Dialect = "gen1",
    speed: float = 1.0,
    seed: int = 0,
    faults: Faults | None = None,
    script: Source | None = None,
    started: Callable[[Sandbox], None] | None = None,
) -> None:
    """
    Run a sandbox until cancelled; `started` is called once it listens.

    Raises:
        ConfigError: the port is taken, or the script is wrong.
    """
    async with Sandbox(port=port, dialect=dialect, speed=speed, seed=seed, faults=faults, script=script) as sandbox:
        if started:
            started(sandbox)
        await asyncio.Event().wait()
