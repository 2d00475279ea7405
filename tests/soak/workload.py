"""The load of a soak: the tasks of the chaos runs, and kinds of tasks that those do not have."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random

from tests.chaos.workload import CHAT, IMAGES, PlannedTask, planned_tasks

APIKLEY_MODEL = "bytedance/seedream-v4-text-to-image"


class Origin(StrEnum):
    """How a task gets to the relay."""

    START = "started"
    APIKLEY = "started on Apikley"
    ATTACH = "attached to"


class Transport(StrEnum):
    """How a viewer watches a task."""

    SOCKET = "/v1/tasks/…/ws"
    STREAM = "/v1/tasks/…/events"
    MANY = "/v1/ws"
    SHARED_STREAM = "/v1/events as a stream"
    POLLS = "/v1/events polled"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadItem:
    """One task of the load and its viewers; `silent_s` is the length of its silence, or None."""

    planned: PlannedTask
    origin: Origin
    transports: tuple[Transport, ...]
    silent_s: float | None = None

    @property
    def number(self) -> int:
        """The number of the planned task."""
        return self.planned.number


def load_items(random: Random, count: int, within_s: float, longest_s: float) -> list[LoadItem]:
    """Return the load, spread over `within_s`; no task is silent for longer than `longest_s`."""
    return [_load_item(random, planned, longest_s) for planned in planned_tasks(random, count, within_s)]


def _load_item(random: Random, planned: PlannedTask, longest_s: float) -> LoadItem:
    transports = tuple(random.choices(tuple(Transport), k=random.choice((0, 1, 1, 2))))
    match random.random():
        case draw if draw < 0.10:
            faults = random.choice(("", "", "fail=500:The prompt was refused", "detail_empty_polls=2"))
            apikley = _altered(planned, APIKLEY_MODEL, faults)
            return LoadItem(planned=apikley, origin=Origin.APIKLEY, transports=transports)
        case draw if draw < 0.15:
            direct = replace(_altered(planned, random.choice(IMAGES), ""), twice=False)
            return LoadItem(planned=direct, origin=Origin.ATTACH, transports=transports)
        case draw if draw < 0.20:
            silent = _altered(planned, random.choice(IMAGES), "silent, hold_at=task_start")
            return LoadItem(
                planned=silent,
                origin=Origin.START,
                transports=transports,
                silent_s=random.uniform(0.2, 1.0) * longest_s,
            )
        case draw if draw < 0.25:
            chat = _altered(planned, CHAT, "answer_chunks=600, answer_chunks_per_s=20")
            return LoadItem(planned=chat, origin=Origin.START, transports=transports)
    return LoadItem(planned=planned, origin=Origin.START, transports=transports)


def _altered(planned: PlannedTask, model: str, faults: str) -> PlannedTask:
    bare = planned.prompt.partition(" [")[0]
    return replace(planned, model=model, faults=faults, prompt=f"{bare} [sandbox: {faults}]" if faults else bare)


def counted(made: Sequence[LoadItem]) -> dict[str, int]:
    """Return the number of tasks by origin, for the report."""
    return {origin.value: sum(item.origin is origin for item in made) for origin in Origin}
