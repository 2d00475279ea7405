"""
Decide at random which calls and frames go wrong: the switches `flaky` and `cut_share`.

The same seed makes the same decisions in the same order.
"""

from dataclasses import dataclass
from random import Random

from relay.sandbox.switches.faults import Faults
from relay.sandbox.switches.values import HttpFault


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomFault:
    """A fault that hits one call. `takes_effect` tells whether the call is carried out."""

    fault: HttpFault
    takes_effect: bool


_FAULTS = (
    RandomFault(fault=HttpFault(status=500, kind="envelope", count=1), takes_effect=False),
    RandomFault(fault=HttpFault(status=502, kind="html", count=1), takes_effect=False),
    RandomFault(fault=HttpFault(status=200, kind="drop_before", count=1), takes_effect=False),
    RandomFault(fault=HttpFault(status=503, kind="empty", count=1), takes_effect=True),
    RandomFault(fault=HttpFault(status=504, kind="html", count=1), takes_effect=True),
    RandomFault(fault=HttpFault(status=200, kind="drop", count=1), takes_effect=True),
)


class RandomFaults:
    """Random decisions for one sandbox."""

    def __init__(self, faults: Faults, seed: int) -> None:
        self._flaky = faults.flaky
        self._cut_share = faults.cut_share
        self._calls = Random(f"{seed}:calls")  # noqa: S311  repeatable, not secret
        self._frames = Random(f"{seed}:frames")  # noqa: S311

    def next_call(self) -> RandomFault | None:
        """Return the fault that hits the next call, or None."""
        return self._calls.choice(_FAULTS) if self._calls.random() < self._flaky else None

    def cut_after_frame(self) -> bool:
        """Return whether to cut the sockets of a task after the frame that was just sent."""
        return self._frames.random() < self._cut_share
