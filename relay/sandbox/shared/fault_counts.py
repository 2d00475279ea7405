"""
Count how often an HTTP fault has hit, for faults that affect only the first calls (`run_http=502*2`).

Identical calls share one count. A count starts again after a call without a fault, and whenever switches queued for the
next call ask for the fault.
"""

from dataclasses import dataclass, field, replace

from relay.sandbox.switches.values import UNLIMITED, HttpFault


@dataclass(slots=True)
class FaultCounts:
    """Faults that are still active, with their remaining counts."""

    _remaining: dict[str, HttpFault] = field(default_factory=dict)

    def take(self, call: str, fault: HttpFault | None, *, queued: bool) -> HttpFault | None:
        """
        Return the fault that hits a call, or None, and count it.

        Args:
            call: identifies the call; identical calls have the same text.
            fault: the fault that the call's switches ask for.
            queued: whether the fault was queued for the next call, not set by the call itself or as a default.
        """
        if fault is not None and fault.count == UNLIMITED:
            return fault
        remaining = fault if queued or call not in self._remaining else self._remaining[call]
        if remaining is None:
            return None
        if remaining.count == 0:
            del self._remaining[call]
            return None
        self._remaining[call] = replace(remaining, count=remaining.count - 1)
        return remaining
