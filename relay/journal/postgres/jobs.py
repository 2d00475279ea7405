"""What the writer commits: one job for each call of `create` and `append`."""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from relay.core.spending import Exceeded, Limit
from relay.errors import Fenced, Taken
from relay.journal.base import Claim, Created
from relay.journal.batch import Batch
from relay.journal.postgres.lease import SEND_S

MAX_JOBS: Final = 500
MAX_BYTES: Final = 4 * 2**20
"""How many jobs, and about how many bytes, are committed at once."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Job:
    """One task's part of a commit."""

    node: str
    """The node that the caller acts for."""
    batch: Batch
    row: bytes
    """The element of `creates` or `appends`, as JSON (see `rows`)."""
    creates: bool
    key: str | None = None
    """The idempotency key that is claimed."""
    limits: Sequence[Limit] = ()
    """What the accounts are compared with."""
    submitted_s: float
    """When the caller asked for it, as `relay.clock.uptime_s` counts."""
    result: asyncio.Future[Created]

    @property
    def task(self) -> str:
        return self.batch.task

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return len(self.row) + sum(len(entry.body) for entry in self.batch.entries)

    def succeed(self, issued_s: float) -> None:
        """Set the result: committed by a statement that was first sent at `issued_s`."""
        if not self.result.done():  # the caller may have been cancelled
            self.result.set_result(Created(send_until_s=issued_s + SEND_S))

    def refuse(self, reason: Mapping[str, Any]) -> None:
        """Set the result: not committed, for a reason that `relay_append` returned."""
        if self.result.done():
            return
        match reason["why"]:
            case "key":
                claim = Claim(key=self.key or "", digest=reason["digest"], task=reason["winner"], at=reason["at"])
                self.result.set_result(Created(winner=claim))
            case "limit":
                limit, until = self.limits[reason["number"]], reason["until"]
                used, reserved = reason["used"], reason["reserved"]
                exceeded = Exceeded(limit=limit, used=used, reserved=reserved, until=until)
                self.result.set_result(Created(exceeded=exceeded))
            case "exists":
                self.result.set_exception(ValueError(f"there is already a task {self.task}"))
            case "taken":
                self.result.set_exception(Taken(f"task {reason['winner']} is this upstream task already"))
            case "owner":
                self.result.set_exception(Fenced(f"another node owns task {self.task}"))
            case _:
                self.fail(self._out_of_order(reason["seq"]))

    def fail(self, error: Exception) -> None:
        """Set an exception as the result."""
        if not self.result.done():
            self.result.set_exception(error)

    def _out_of_order(self, seq: int | None) -> ValueError:
        try:
            self.batch.check_next(seq)
        except ValueError as error:
            return error
        return ValueError(f"the log of {self.task} has changed")


class Queue:
    """The jobs that wait to be committed, in order."""

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()

    def __len__(self) -> int:
        return len(self._jobs)

    def put(self, job: Job) -> None:
        self._jobs.append(job)

    def put_back(self, jobs: Sequence[Job]) -> None:
        """Put jobs before all others."""
        self._jobs.extendleft(reversed(jobs))

    def take(self) -> list[Job]:
        """
        Remove and return the jobs of the next commit.

        They are at most one of each task: the statement tests each job against the log as it was before.
        """
        taken: list[Job] = []
        left: list[Job] = []
        tasks: set[str] = set()
        size = 0
        while self._jobs and len(taken) < MAX_JOBS and (not taken or size + self._jobs[0].size <= MAX_BYTES):
            job = self._jobs.popleft()
            if job.task in tasks:
                left.append(job)
            else:
                taken.append(job)
                size += job.size
            tasks.add(job.task)
        self.put_back(left)
        return taken

    def drop(self, before_s: float) -> list[Job]:
        """Remove and return the jobs that were submitted before a time."""
        dropped = [job for job in self._jobs if job.submitted_s < before_s]
        self._jobs = deque(job for job in self._jobs if job.submitted_s >= before_s)
        return dropped
