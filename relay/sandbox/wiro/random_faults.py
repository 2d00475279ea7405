"""
What goes wrong by chance, for all tasks and calls alike: `flaky` and `cut_share`.

Only says when and how; it is done where that part of the upstream is played. One seed gives one row of throws.
"""

from dataclasses import dataclass
from random import Random

from relay.sandbox.switches.faults import Faults
from relay.sandbox.switches.values import HttpFault


@dataclass(frozen=True, slots=True, kw_only=True)
class Mishap:
    """A call's answer gone wrong; `takes_effect` says whether the call was carried out all the same."""

    fault: HttpFault
    takes_effect: bool


_MISHAPS = (
    Mishap(fault=HttpFault(status=500, kind="envelope", count=1), takes_effect=False),
    Mishap(fault=HttpFault(status=502, kind="html", count=1), takes_effect=False),
    Mishap(fault=HttpFault(status=200, kind="drop_before", count=1), takes_effect=False),
    Mishap(fault=HttpFault(status=503, kind="empty", count=1), takes_effect=True),
    Mishap(fault=HttpFault(status=504, kind="html", count=1), takes_effect=True),
    Mishap(fault=HttpFault(status=200, kind="drop", count=1), takes_effect=True),
)


class Chance:
    """The dice of one sandbox."""

    def __init__(self, faults: Faults, seed: int) -> None:
        self._flaky = faults.flaky
        self._cut_share = faults.cut_share
        self._calls = Random(f"{seed}:calls")  # noqa: S311  repeatable, not secret
        self._frames = Random(f"{seed}:frames")  # noqa: S311

    def mishap(self) -> Mishap | None:
        """Throw for one call: null where it is answered as it should be."""
        return self._calls.choice(_MISHAPS) if self._calls.random() < self._flaky else None

    def cut(self) -> bool:
        """Throw for one frame: whether it is the last that its task's sockets get."""
        return self._frames.random() < self._cut_share
