"""The handle of a sandbox, for tests and commands: start it, connect to it, set switches, and see what happened."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from relay.errors import ConfigError
from relay.sandbox.apikley.auth import API_KEY as APIKLEY_KEY
from relay.sandbox.apikley.auth import WEBHOOK_SECRET
from relay.sandbox.apikley.jobs import CreateRequest, Job
from relay.sandbox.apikley.platform import Apikley
from relay.sandbox.receiver import PATH as RECEIVER_PATH
from relay.sandbox.receiver import WEBHOOK_SECRET as RECEIVER_SECRET
from relay.sandbox.recording.parse import Source, read
from relay.sandbox.server import HOST, Server
from relay.sandbox.shared.context import Context
from relay.sandbox.switches.faults import Faults
from relay.sandbox.switches.values import Dialect
from relay.sandbox.wiro.auth import API_KEY, API_SECRET, PLAIN_KEY, Accounts
from relay.sandbox.wiro.file_entries import Entry
from relay.sandbox.wiro.platform import Wiro
from relay.sandbox.wiro.requests import FileRequest, RunRequest
from relay.sandbox.wiro.tasks import Task


def _default_accounts() -> dict[str, str | None]:
    return {API_KEY: API_SECRET, PLAIN_KEY: None}


@dataclass(kw_only=True, eq=False)
class Sandbox:
    """
    A simulated Wiro and Apikley that runs during its `async with` block.

    Raises:
        ConfigError: `speed` is not above 0, `script` is invalid or, on entering, the port is not available.
    """

    host: str = HOST
    """The address to listen on. Anyone who reaches it can use the sandbox: it protects nothing."""
    port: int = 0
    """The port to listen on; 0 picks a free one."""
    dialect: Dialect = "gen1"
    """The generation of Wiro's documentation to follow. A task's switches can override it."""
    speed: float = 1.0
    """1.0 is the pace of the real platforms, 100.0 is a hundred times as fast."""
    seed: int = 0
    """Seeds the tasks: the n-th task of a seed always takes the same course."""
    accounts: Mapping[str, str | None] = field(default_factory=_default_accounts, repr=False)
    """Wiro's API keys with their secrets, None for a key without one. `api_key` is the first of them."""
    faults: Faults = field(default_factory=Faults)
    """The default switches. The switches of a task or a call override them."""
    concurrency: int | None = None
    """How many tasks of a Wiro account can run before Run returns error 96; None is unlimited."""
    heartbeat_s: float = 30.0
    """Seconds between pings on the task socket."""
    nonce_once: bool = False
    """Refuse a nonce that was used before."""
    script: Source | None = None
    """A recording to play, as a path or as its lines. docs/sandbox.md specifies the format."""

    def __post_init__(self) -> None:
        if self.speed <= 0:
            raise ConfigError("sandbox: speed must be above 0")
        self._context = Context(faults=self.faults, dialect=self.dialect, speed=self.speed, seed=self.seed)
        self._wiro = Wiro(
            self._context,
            Accounts(secrets=self.accounts, nonce_once=self.nonce_once),
            concurrency=self.concurrency,
            heartbeat_s=self.heartbeat_s,
        )
        self._apikley = Apikley(self._context)
        recording = None if self.script is None else read(self.script)
        self._server = Server(self._context, self._wiro, self._apikley, recording)
        self.api_key, self.api_secret = next(iter(self.accounts.items()))
        self.apikley_key, self.apikley_webhook_secret = APIKLEY_KEY, WEBHOOK_SECRET
        self.webhook_secret = RECEIVER_SECRET

    async def __aenter__(self) -> Self:
        await self._server.start(self.host, self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop()

    @property
    def origin(self) -> str:
        """The address that everything is under, files included; a page's policy must allow it."""
        return self._server.origin

    @property
    def api_url(self) -> str:
        """The base address of Wiro's REST calls."""
        return f"{self.origin}/v1"

    @property
    def socket_url(self) -> str:
        """The address of Wiro's task socket."""
        return f"{self.origin.replace('http', 'ws', 1)}/v1"

    @property
    def apikley_url(self) -> str:
        """The base address of Apikley's calls."""
        return self.origin

    @property
    def webhook_url(self) -> str:
        """The address that receives the relay's webhooks, and shows them in a browser."""
        return f"{self.origin}{RECEIVER_PATH}"

    @property
    def control_url(self) -> str:
        """The base address of the control API."""
        return f"{self.origin}/sandbox"

    @property
    def tasks(self) -> Mapping[str, Task]:
        """Wiro's tasks by id, as they really are."""
        return self._wiro.tasks.by_id

    @property
    def runs(self) -> Sequence[RunRequest]:
        """All Runs in order of arrival, including refused ones."""
        return tuple(self._wiro.tasks.runs)

    @property
    def files(self) -> Mapping[str, Entry]:
        """The folders and files in Wiro's file storage, by id."""
        return self._wiro.file_calls.entries

    @property
    def file_calls(self) -> Sequence[FileRequest]:
        """All calls to Wiro's file API in order of arrival, including refused ones."""
        return tuple(self._wiro.file_calls.received)

    @property
    def jobs(self) -> Mapping[str, Job]:
        """Apikley's jobs by id, as they really are."""
        return self._apikley.jobs.by_id

    @property
    def created(self) -> Sequence[CreateRequest]:
        """All createTask calls to Apikley in order of arrival, including refused ones."""
        return tuple(self._apikley.jobs.created)

    def next_run(self, **switches: object) -> None:
        """
        Queue switches for the next Run or createTask: `next_run(exit=1, hold_at="task_queue")`.

        Raises:
            ConfigError: a switch is unknown, or its value is invalid.
        """
        self._context.next_run.put(switches)

    def next_file_call(self, **switches: object) -> None:
        """
        Queue switches for the next call to Wiro's file API: `next_file_call(file_http="502:html")`.

        Raises:
            ConfigError: a switch is unknown, or its value is invalid.
        """
        self._context.next_file_call.put(switches)

    def release(self, task_id: str) -> None:
        """Continue a task or job that `hold_at` has paused, or is going to pause."""
        job = self.jobs.get(task_id)
        (job or self.tasks[task_id]).gate.set()

    async def until(self, task_id: str, condition: Callable[[Task], object]) -> Task:
        """Wait until a condition is true for a task, and return the task: `until(id, lambda task: task.verdict)`."""
        task = self.tasks[task_id]
        await task.until(condition)
        return task

    async def received(self, count: int) -> None:
        """Wait until `count` Runs have been received, including refused ones."""
        await self._wiro.tasks.until_received(count)

    async def subscribed(self, task_id: str) -> None:
        """Wait until a socket subscribes to a task; return at once if one ever has."""
        await self._wiro.socket.until_subscribed(self.tasks[task_id].token)

    def subscribers(self, task_id: str) -> int:
        """Return how many sockets are subscribed to a task."""
        return self._wiro.socket.subscribers(self.tasks[task_id].token)


async def serve(
    *,
    host: str = HOST,
    port: int,
    dialect: Dialect = "gen1",
    speed: float = 1.0,
    seed: int = 0,
    script: Source | None = None,
    started: Callable[[Sandbox], None] | None = None,
) -> None:
    """
    Run a sandbox until cancelled, and call `started` once it listens.

    Raises:
        ConfigError: `script` is invalid, or the port is not available.
    """
    async with Sandbox(host=host, port=port, dialect=dialect, speed=speed, seed=seed, script=script) as sandbox:
        if started:
            started(sandbox)
        await asyncio.Event().wait()
