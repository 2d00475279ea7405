"""
The tasks of the simulated Wiro and the Runs that it received, as they really are. Tests compare the relay with this.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Literal

from relay.sandbox.shared.gated import Gated
from relay.sandbox.switches.faults import Faults
from relay.sandbox.wiro.detail import detail
from relay.sandbox.wiro.record import Identity, Record
from relay.sandbox.wiro.requests import RunRequest
from relay.sandbox.wiro.steps import TERMINAL, Step

Verdict = Literal["success", "failed", "canceled"]


@dataclass(slots=True, kw_only=True, eq=False)
class Task(Gated):
    """A task and everything that happened to it."""

    identity: Identity
    account: str
    steps: tuple[Step, ...]
    """What will happen to it; empty for a task of a recording."""
    record: Record
    """The true state. Task/Detail may lag behind it."""
    before_end: Record | None = None
    """The state before the end, which a lagging Task/Detail shows."""
    entry: dict[str, object] | None = None
    """For a task of a recording: its state as an entry of a `tasklist`, which replaces `record`."""
    passed: list[tuple[str, float]] = field(default_factory=list)
    """The stages that it passed, with their Unix times."""
    early_closed: bool = False
    details_read: int = 0
    details_since_end: int = 0
    stops_asked: int = 0
    files_asked: dict[str, int] = field(default_factory=dict)
    """The number of requests for each output file, by its name."""

    @property
    def id(self) -> str:
        """The task id."""
        return self.identity.id

    @property
    def token(self) -> str:
        """The socket token."""
        return self.identity.token

    @property
    def faults(self) -> Faults:
        """The task's switches."""
        return self.identity.faults

    @property
    def status(self) -> str:
        """The current status in Wiro's terms."""
        return self.record.status if self.entry is None else str(self.entry.get("status"))

    @property
    def verdict(self) -> Verdict | None:
        """How the task ended; None while it runs."""
        if self.status not in TERMINAL:
            return None
        if self.status == "task_cancel":
            return "canceled"
        exit_code = self.record.exit_code if self.entry is None else self.entry.get("pexit")
        return "success" if str(exit_code) == "0" else "failed"

    def list_entry(self) -> dict[str, object]:
        """Return the task as an entry of a `tasklist`. While Task/Detail lags, this is the state before the end."""
        if self.entry is not None:
            return self.entry
        if self.before_end is not None and self.details_since_end < self.faults.detail_lag_polls:
            return detail(self.identity, self.before_end)
        return detail(self.identity, self.record)


@dataclass(slots=True)
class Tasks:
    """All tasks, and all Run requests in order of arrival."""

    by_id: dict[str, Task] = field(default_factory=dict)
    runs: list[RunRequest] = field(default_factory=list)
    _by_token: dict[str, Task] = field(default_factory=dict)
    _by_folder: dict[str, Task] = field(default_factory=dict)
    _run_received: asyncio.Event = field(default_factory=asyncio.Event)

    def log_run(self, request: RunRequest) -> None:
        """Add a Run request to the log."""
        self.runs.append(request)
        self._run_received.set()
        self._run_received = asyncio.Event()

    async def until_received(self, count: int) -> None:
        """Wait until `count` Runs have been received."""
        while len(self.runs) < count:
            await self._run_received.wait()

    def add(self, task: Task) -> None:
        """Add a new task."""
        self.by_id[task.id] = task
        self._by_token[task.token] = task
        self._by_folder[task.identity.folder] = task

    def find(self, *, task_id: str | None = None, token: str | None = None) -> Task | None:
        """Return a task by its id or its token, or None."""
        if task_id:
            return self.by_id.get(task_id)
        return self._by_token.get(token) if token else None

    def in_folder(self, folder: str) -> Task | None:
        """Return the task whose output files are in a folder, or None."""
        return self._by_folder.get(folder)

    def running(self, account: str) -> int:
        """Return how many tasks of an account have not ended."""
        return sum(task.account == account and task.verdict is None for task in self.by_id.values())

    def identical_runs(self, request: RunRequest) -> int:
        """Return how many Runs had the same model and fields as this one."""
        return sum(other.model == request.model and other.fields == request.fields for other in self.runs)
