"""
How far a platform's clock is from ours, worked out from moments that both of them saw. Pure: every time is given.

A platform stamps what happens to a task by its own clock, mostly in whole seconds. The relay knows between which two
moments of its own clock the same thing happened: a task was created after its run was sent and before that was
answered; a frame tells of a stage a moment after it began; a record cannot name a moment after it was read. Each such
pair bounds the offset, and all of them together are narrower than any one.

https://en.wikipedia.org/wiki/Cristian%27s_algorithm is the idea, with many small observations instead of one call.
"""

import math
from typing import Final

_WHOLE_S: Final = 1.0
_FRACTION_S: Final = 0.001
"""What a platform's time may leave out: most are whole seconds, cut off."""

PROMPT_S: Final = 5.0
"""A frame arrives at most so long after what it tells of."""


class PlatformClock:
    """The offset of one platform's clock: its time minus ours, in seconds, as an interval."""

    def __init__(self) -> None:
        self._low = -math.inf
        self._high = math.inf
        self._hint: tuple[float, float] | None = None

    def __repr__(self) -> str:
        return f"<PlatformClock {self._low:.1f}..{self._high:.1f}>"

    def observe(self, platform_at: float, *, after: float = -math.inf, before: float) -> None:
        """
        Take note that what the platform dates `platform_at` happened between `after` and `before` by our clock.

        An observation that contradicts the earlier ones replaces them: a clock was set.
        """
        low, high = platform_at - before, platform_at + _resolution_s(platform_at) - after
        if low > high:
            return
        if low > self._high or high < self._low:
            self._low, self._high = low, high
        else:
            self._low, self._high = max(self._low, low), min(self._high, high)

    def hint(self, date: float, *, after: float, before: float) -> None:
        """
        Take note of an answer's `Date` header. It may be a proxy's, so it counts only while nothing better is known.
        """
        self._hint = (date - before, date + _WHOLE_S - after)

    @property
    def offset_s(self) -> float:
        """The best estimate. 0 as long as nothing speaks against equal clocks."""
        low, high = self._low, self._high
        if math.isinf(high) and self._hint is not None:
            low, high = max(low, self._hint[0]), max(low, self._hint[1])
        if low <= 0 <= high:
            return 0.0
        if math.isinf(low) or math.isinf(high):
            return high if math.isinf(low) else low
        return (low + high) / 2

    def ours(self, platform_at: float) -> float:
        """Return a time of the platform by our clock: the middle of what it may mean, unless the clocks are equal."""
        offset_s = self.offset_s
        return platform_at if offset_s == 0 else platform_at + _resolution_s(platform_at) / 2 - offset_s


def _resolution_s(platform_at: float) -> float:
    return _WHOLE_S if float(platform_at).is_integer() else _FRACTION_S
