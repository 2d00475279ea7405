"""
The tasks of a sandbox, and every Run it was asked for: what the tests and the people at its desk take as the truth.

Holds state and answers questions about it; nothing here sends, waits or decides what happens next.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from relay.sandbox.switches.faults import Faults
from relay.sandbox.wiro.record import Identity, Record, detail
from relay.sandbox.wiro.steps import TERMINAL, Step

Verdict = Literal["success", "failed", "canceled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """
    One field of a received body: its JSON type, or `file` for a part with a file name.

    The value is as parsed, that of a part without a file name its text, that of a file a `File`.
    """

    name: str
    type: Literal["string", "number", "boolean", "null", "array", "object", "file"]
    value: object


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """
    A Run as it arrived, its fields in order.

    `task_id` is null when it started nothing, `refused` the code of the refusal that its caller was told of, if any.
    """

    model: str
    content_type: str
    fields: tuple[Field, ...]
    task_id: str | None
    refused: int | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class Task:
    """
    A task. `record` is its truth, `passed` the stages it went through, with their unix times.

    `holding_at` is the stage at which it waits for its `gate`, or null. `before_end` is what a lagging detail shows.
    `entry` is the truth of a task that is played from a recording: its entry in a `tasklist`; null for all others.
    """

    identity: Identity
    account: str
    script: tuple[Step, ...]
    record: Record
    before_end: Record | None = None
    entry: dict[str, object] | None = None
    passed: list[tuple[str, float]] = field(default_factory=list)
    holding_at: str | None = None
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    early_closed: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    details_read: int = 0
    stops_asked: int = 0
    details_since_end: int = 0

    @property
    def id(self) -> str:
        """The id that Run gave it."""
        return self.identity.id

    @property
    def token(self) -> str:
        """The socket token that Run gave it."""
        return self.identity.token

    @property
    def status(self) -> str:
        """The upstream's word for where it is."""
        return self.record.status if self.entry is None else str(self.entry.get("status"))

    @property
    def faults(self) -> Faults:
        """Its switches."""
        return self.identity.faults

    @property
    def verdict(self) -> Verdict | None:
        """How it truly ended; null while it has not."""
        if self.status not in TERMINAL:
            return None
        if self.status == "task_cancel":
            return "canceled"
        exit_code = self.record.exit_code if self.entry is None else self.entry.get("pexit")
        return "success" if str(exit_code) == "0" else "failed"

    def stir(self) -> None:
        """Wake whoever waits for this task to change."""
        self._news.set()
        self._news = asyncio.Event()

    async def until(self, condition: Callable[["Task"], object]) -> None:
        """Wait until a condition holds; it is looked at after each step, each subscription and each detail read."""
        while not condition(self):
            await self._news.wait()

    def shown(self) -> dict[str, object]:
        """Return the entry of a `tasklist`: the truth, or what was true before the end while the detail lags."""
        if self.entry is not None:
            return self.entry
        if self.before_end is not None and self.details_since_end < self.faults.detail_lag_polls:
            return detail(self.identity, self.before_end)
        return detail(self.identity, self.record)


@dataclass(slots=True)
class Ledger:
    """Every task by its id, token and folder, every Run in the order of arrival, and switches for what comes next."""

    tasks: dict[str, Task] = field(default_factory=dict)
    runs: list[RunRequest] = field(default_factory=list)
    next_switches: list[Mapping[str, str]] = field(default_factory=list)
    next_file_switches: list[Mapping[str, str]] = field(default_factory=list)
    _by_token: dict[str, Task] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _by_folder: dict[str, Task] = field(default_factory=dict)

    def note(self, request: RunRequest) -> None:
        """Take down a Run that was received."""
        self.runs.append(request)
        self._news.set()
        self._news = asyncio.Event()

    async def received(self, count: int) -> None:
        """Wait until so many Runs were received."""
        while len(self.runs) < count:
            await self._news.wait()

    def add(self, task: Task) -> None:
        """Take up a new task."""
        self.tasks[task.id] = task
        self._by_token[task.token] = task
        self._by_folder[task.identity.folder] = task

    def find(self, *, task_id: str | None = None, token: str | None = None) -> Task | None:
        """Return a task by its id or its token, or null."""
        if task_id:
            return self.tasks.get(task_id)
        return self._by_token.get(token) if token else None

    def in_folder(self, folder: str) -> Task | None:
        """Return the task whose files are in a folder, or null."""
        return self._by_folder.get(folder)

    def live(self, account: str) -> int:
        """Return how many tasks of an account have not ended."""
        return sum(task.account == account and task.verdict is None for task in self.tasks.values())

    def alike(self, request: RunRequest) -> int:
        """Return how many Runs were received with the same model and fields."""
        return sum(other.model == request.model and other.fields == request.fields for other in self.runs)
