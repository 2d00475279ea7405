"""The jobs of the simulated Apikley, and the createTask requests that it received, as they really are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from relay.sandbox.apikley.input import SIZES
from relay.sandbox.shared import pictures
from relay.sandbox.shared.gated import Gated
from relay.sandbox.switches.faults import Faults

State = Literal["waiting", "queuing", "generating", "success", "fail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRequest:
    """
    A createTask request with its JSON body.

    `job_id` is None if it created no job. `refused` is the error code that its client received, if any.
    """

    body: object
    job_id: str | None
    refused: int | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class Job(Gated):
    """A job. Times are Unix seconds. `folder` is the secret part of its files' addresses."""

    id: str
    folder: str
    index: int
    body: Mapping[str, object]
    images: int
    image_size: str
    callback_url: str
    files_url: str
    faults: Faults
    created_at: float
    changed_at: float
    ended_at: float | None = None
    state: State = "waiting"
    percent: int = 0
    records_read: int = 0
    callbacks_answered: list[int] = field(default_factory=list)
    """The HTTP statuses of the responses to its callbacks."""

    @property
    def size(self) -> tuple[int, int]:
        """The size of its pictures, in pixels."""
        return pictures.scaled(*SIZES[self.image_size])

    def result_urls(self) -> list[str]:
        """Return the addresses of its pictures."""
        return [f"{self.files_url}/{self.folder}/{number}.png" for number in range(self.images)]


@dataclass(slots=True)
class Jobs:
    """All jobs, and all createTask requests in order of arrival."""

    by_id: dict[str, Job] = field(default_factory=dict)
    created: list[CreateRequest] = field(default_factory=list)

    def in_folder(self, folder: str) -> Job | None:
        """Return the job whose files are in a folder, or None."""
        return next((job for job in self.by_id.values() if job.folder == folder), None)

    def log(self, body: object, *, job_id: str | None = None, refused: int | None = None) -> None:
        """Add a createTask request to the log."""
        self.created.append(CreateRequest(body=body, job_id=job_id, refused=refused))
