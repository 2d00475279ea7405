"""
The jobs of the simulated Apikley, every createTask that it was asked for, and how recordInfo shows a job.

Holds state and answers questions about it; nothing here sends, waits for time, or decides what happens next.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

import orjson

from relay.sandbox.shared import pictures
from relay.sandbox.switches.faults import Faults

State = Literal["waiting", "queuing", "generating", "success", "fail"]

CREDITS_AN_IMAGE: Final = 5.0

_SHAPES: Final = {
    "square": (1, 1),
    "square_hd": (1, 1),
    "portrait_4_3": (3, 4),
    "portrait_3_2": (2, 3),
    "portrait_16_9": (9, 16),
    "landscape_4_3": (4, 3),
    "landscape_3_2": (3, 2),
    "landscape_16_9": (16, 9),
    "landscape_21_9": (21, 9),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRequest:
    """
    A createTask as it arrived: its body, as the JSON had it.

    `job_id` is null when it made nothing, `refused` the code that its caller was told, if it was a refusal.
    """

    body: object
    job_id: str | None
    refused: int | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class Job:
    """A job. Times are unix seconds; `folder` is the secret part of its files' addresses."""

    id: str
    folder: str
    index: int
    body: Mapping[str, object]
    images: int
    image_size: str
    callback_url: str
    files_url: str
    faults: Faults
    made_at: float
    changed_at: float
    ended_at: float | None = None
    state: State = "waiting"
    percent: int = 0
    records_read: int = 0
    callbacks_answered: list[int] = field(default_factory=list)
    """The HTTP status that each of its callbacks was answered with."""
    holding_at: State | None = None
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def stir(self) -> None:
        """Wake whoever waits for this job to change."""
        self._news.set()
        self._news = asyncio.Event()

    async def until(self, condition: Callable[["Job"], object]) -> None:
        """Wait until a condition holds; it is looked at after each change, each reading and each callback."""
        while not condition(self):
            await self._news.wait()

    @property
    def size(self) -> tuple[int, int]:
        """The size of its pictures as they are drawn, in pixels."""
        return pictures.scaled(*_SHAPES[self.image_size])

    def result_urls(self) -> list[str]:
        """Return the addresses of what it made."""
        return [f"{self.files_url}/{self.folder}/{number}.png" for number in range(self.images)]


@dataclass(slots=True)
class Jobs:
    """Every job by its id, and every createTask in the order of arrival."""

    by_id: dict[str, Job] = field(default_factory=dict)
    created: list[CreateRequest] = field(default_factory=list)

    def in_folder(self, folder: str) -> Job | None:
        """Return the job whose files are in a folder, or null."""
        return next((job for job in self.by_id.values() if job.folder == folder), None)

    def note(self, body: object, *, job_id: str | None = None, refused: int | None = None) -> None:
        """Take down a createTask that was received."""
        self.created.append(CreateRequest(body=body, job_id=job_id, refused=refused))


def record(job: Job, *, id_name: str = "taskId") -> dict[str, object]:
    """Return the `data` of a job's record; `id_name` is what a callback may call its id."""
    faults, is_kie = job.faults, job.faults.spelling == "kie"
    absent = None if is_kie else ""
    param = orjson.dumps(job.body).decode()
    shown: dict[str, object] = {
        id_name: job.id,
        "model": job.body.get("model"),
        "state": job.state,
        "param": orjson.dumps(param).decode() if faults.param_twice else param,
        "resultJson": _result(job) if job.state == "success" else absent,
        "failCode": absent,
        "failMsg": absent,
        "completeTime": None,
        "createTime": _ms(job.made_at),
        "updateTime": _ms(job.changed_at),
    }
    cost_time = faults.cost_time or ("ms" if is_kie else "none")
    if cost_time != "none":
        shown["costTime"] = None
    if job.ended_at is not None:
        shown["completeTime"] = _ms(job.ended_at)
        took_s = job.ended_at - job.made_at
        if cost_time != "none":
            shown["costTime"] = round(took_s) if cost_time == "s" else round(took_s * 1000)
        price = faults.credits or ("creditsConsumed" if is_kie else "none")
        if price != "none":
            shown[price] = CREDITS_AN_IMAGE * job.images if job.state == "success" else 0
    if job.state == "fail":
        code, message = failure(faults)
        shown |= {"failCode": str(code), "failMsg": message}
    if job.state == "generating" and faults.job_progress:
        shown["progress"] = job.percent
    return shown


def failure(faults: Faults) -> tuple[int, str]:
    """Return the code and the words of a job that fails."""
    return (faults.fail.code, faults.fail.message) if faults.fail else (500, "Internal Error, Please try again later.")


def _result(job: Job) -> str | None:
    match job.faults.result:
        case "urls":
            return orjson.dumps({"resultUrls": job.result_urls()}).decode()
        case "object":
            return orjson.dumps({"resultObject": {"text": "An answer."}}).decode()
        case "null":
            return None


def _ms(at: float) -> int:
    return round(at * 1000)
