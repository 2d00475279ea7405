"""
How often a fault of the first so many calls hits: calls that are alike share one count.

A count begins anew after a call that was answered properly, and with each set of switches that asks for the fault.
"""

from dataclasses import dataclass, field, replace

from relay.sandbox.switches.values import UNLIMITED, HttpFault


@dataclass(slots=True)
class Quota:
    """The faults that still hit, with what is left of their counts."""

    _left: dict[str, HttpFault] = field(default_factory=dict)

    def take(self, call: str, fault: HttpFault | None, *, queued: bool) -> HttpFault | None:
        """
        Return the fault that hits a call, if one does, and count it.

        Args:
            call: the same text for calls that are alike.
            fault: what the switches of the call ask for.
            queued: whether it was set for the next call alone, and not by the call itself or for all.
        """
        if fault is not None and fault.count == UNLIMITED:
            return fault
        left = fault if queued or call not in self._left else self._left[call]
        if left is None:
            return None
        if left.count == 0:
            del self._left[call]
            return None
        self._left[call] = replace(left, count=left.count - 1)
        return left
