"""
The offset between a platform's clock and the relay's, estimated from events that both have dated.

A platform dates what happens to a task by its own clock, often in whole seconds. The relay knows an interval on its
own clock for the same event: a task was created after its run was sent and before that was answered, a frame arrives
shortly after the stage that it announces, and a record cannot contain a time after it was read. Each such pair bounds
the offset. The intersection of all bounds is narrower than any one of them.

This is the idea of https://en.wikipedia.org/wiki/Cristian%27s_algorithm, with many observations instead of one call.
"""

import math
from typing import Final

_WHOLE_S: Final = 1.0
_FRACTION_S: Final = 0.001
"""The resolution of a platform's times: most are truncated to whole seconds."""

PROMPT_S: Final = 5.0
"""The longest time between a stage and the arrival of its frame."""


class PlatformClock:
    """The offset of one platform's clock: its time minus the relay's, in seconds, as an interval."""

    def __init__(self) -> None:
        self._low = -math.inf
        self._high = math.inf
        self._hint: tuple[float, float] | None = None

    def observe(self, platform_at: float, *, after: float = -math.inf, before: float) -> None:
        """
        Add an event that the platform dates `platform_at` and that happened between `after` and `before`.

        An observation that contradicts the earlier ones replaces them: one of the clocks was set.
        """
        low, high = platform_at - before, platform_at + _resolution_s(platform_at) - after
        if low > high:
            return
        if low > self._high or high < self._low:
            self._low, self._high = low, high
        else:
            self._low, self._high = max(self._low, low), min(self._high, high)

    def hint(self, date: float, *, after: float, before: float) -> None:
        """Add the `Date` header of an answer. It may be a proxy's, so it is used only if nothing else is known."""
        self._hint = (date - before, date + _WHOLE_S - after)

    @property
    def offset_s(self) -> float:
        """The best estimate; 0 if the clocks may be equal."""
        low, high = self._low, self._high
        if math.isinf(high) and self._hint is not None:
            low, high = max(low, self._hint[0]), max(low, self._hint[1])
        if low <= 0 <= high:
            return 0.0
        if math.isinf(low) or math.isinf(high):
            return high if math.isinf(low) else low
        return (low + high) / 2

    def ours(self, platform_at: float) -> float:
        """Convert a time of the platform to the relay's clock; to the middle of its second if the clocks differ."""
        offset_s = self.offset_s
        return platform_at if offset_s == 0 else platform_at + _resolution_s(platform_at) / 2 - offset_s


def _resolution_s(platform_at: float) -> float:
    return _WHOLE_S if float(platform_at).is_integer() else _FRACTION_S
