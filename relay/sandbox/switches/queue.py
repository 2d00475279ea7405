"""Switches that wait for the next calls, one set of switches per call."""

from collections import deque
from collections.abc import Mapping

from relay.sandbox.switches.faults import Faults


class SwitchQueue:
    """A queue of sets of switches, first in, first out."""

    def __init__(self) -> None:
        self._sets: deque[Mapping[str, str]] = deque()

    def __len__(self) -> int:
        return len(self._sets)

    def put(self, switches: Mapping[str, object]) -> None:
        """
        Add the switches for one call. Values may be text, numbers, booleans or lists.

        Raises:
            ConfigError: a switch is unknown, or its value is invalid.
        """
        texts = {name: _to_text(value) for name, value in switches.items()}
        Faults().with_switches(texts)  # reports a mistake now, not when the call arrives
        self._sets.append(texts)

    def take(self) -> Mapping[str, str]:
        """Remove and return the switches for the next call; empty when none are queued."""
        return self._sets.popleft() if self._sets else {}


def _to_text(value: object) -> str:
    match value:
        case bool():
            return "on" if value else "off"
        case list():
            return "|".join(str(part) for part in value)
        case _:
            return str(value)
