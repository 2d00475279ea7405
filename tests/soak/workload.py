"""What the load of a soak consists of: the wishes of the chaos, and kinds of work that it has not."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random

from tests.chaos.wishes import CHAT, IMAGES, Wish, wishes

APIKLEY_MODEL = "bytedance/seedream-v4-text-to-image"


class Way(StrEnum):
    """How a task comes to the relay."""

    START = "started"
    APIKLEY = "started on Apikley"
    ATTACH = "attached to"


class Wire(StrEnum):
    """How a viewer watches."""

    SOCKET = "/v1/tasks/…/ws"
    STREAM = "/v1/tasks/…/events"
    MANY = "/v1/ws"
    SHARED_STREAM = "/v1/events as a stream"
    POLLS = "/v1/events polled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One task of the load, and who watches it. `silent_s` is how long it says nothing, or null."""

    wish: Wish
    way: Way
    wires: tuple[Wire, ...]
    silent_s: float | None = None

    @property
    def number(self) -> int:
        """The number of its wish."""
        return self.wish.number


def orders(random: Random, count: int, within_s: float, longest_s: float) -> list[Order]:
    """Return the load: so many orders, spread over so many seconds; none is silent for longer than `longest_s`."""
    return [_order(random, wish, longest_s) for wish in wishes(random, count, within_s)]


def _order(random: Random, wish: Wish, longest_s: float) -> Order:
    wires = tuple(random.choices(tuple(Wire), k=random.choice((0, 1, 1, 2))))
    match random.random():
        case draw if draw < 0.10:
            faults = random.choice(("", "", "fail=500:The prompt was refused", "detail_empty_polls=2"))
            apikley = _altered(wish, APIKLEY_MODEL, faults)
            return Order(wish=apikley, way=Way.APIKLEY, wires=wires)
        case draw if draw < 0.15:
            elsewhere = replace(_altered(wish, random.choice(IMAGES), ""), twice=False)
            return Order(wish=elsewhere, way=Way.ATTACH, wires=wires)
        case draw if draw < 0.20:
            silent = _altered(wish, random.choice(IMAGES), "silent, hold_at=task_start")
            return Order(wish=silent, way=Way.START, wires=wires, silent_s=random.uniform(0.2, 1.0) * longest_s)
        case draw if draw < 0.25:
            chat = _altered(wish, CHAT, "answer_chunks=600, answer_chunks_per_s=20")
            return Order(wish=chat, way=Way.START, wires=wires)
    return Order(wish=wish, way=Way.START, wires=wires)


def _altered(wish: Wish, model: str, faults: str) -> Wish:
    bare = wish.prompt.partition(" [")[0]
    return replace(wish, model=model, faults=faults, prompt=f"{bare} [sandbox: {faults}]" if faults else bare)


def counted(made: Sequence[Order]) -> dict[str, int]:
    """Return how many orders there are of each way, for the report."""
    return {way.value: sum(order.way is way for order in made) for way in Way}
