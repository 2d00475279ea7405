"""
When to read the upstream's record again, and how long the upstream has been silent: numbers, and no I/O.

What a look finds is judged elsewhere; here only the next one is planned.
"""

from typing import Final

from relay.core.events import State
from relay.core.patience import Patience

BLANK_CHECKS_S: Final = (2.0, 5.0, 10.0, 30.0)
"""When to read a record again that says the task has finished, and names no outputs: they can follow later."""

UNCONFIRMED_CHECK_S: Final = 1.0
"""How soon to read the record again while a terminal frame, or a callback, is unconfirmed."""

NUDGED_S: Final = 10.0
"""How long a callback stays unconfirmed: it can come before the record knows of the end."""


class Watch:
    """The plan of looking at one task's record."""

    def __init__(self, patience: Patience, now: float) -> None:
        self._patience = patience
        self._planned_at: float | None = None
        self._heard_at = now
        self._waited_until = now
        self._looked_at = now
        self._nudged_until = now
        self._blank_since: float | None = None
        self.streaming = False
        """Whether the task's stream is open: then frames tell the news, and the record is a safeguard."""

    def next_at(self, state: State, *, stalled: bool) -> float | None:
        """Return when to look: as planned, or when the silence gets long (once: then it is a stall). Null: never."""
        silent_at = max(self._heard_at, self._waited_until) + self._patience.silence_in_s(state)
        if self._planned_at is None or stalled or self._looked_at >= silent_at:
            return self._planned_at
        return min(self._planned_at, silent_at)

    def heard(self, now: float) -> None:
        """Take note of news."""
        self._heard_at = now

    def waits(self, now: float) -> None:
        """Take note that the task waits in the platform's queue, where no news is normal."""
        self._waited_until = now

    def silent_s(self, now: float) -> float:
        """Return for how long there was no news where there should be some."""
        return now - max(self._heard_at, self._waited_until)

    def too_silent(self, state: State, now: float) -> bool:
        """Say whether that is longer than is normal in this state."""
        return self.silent_s(now) >= self._patience.silence_in_s(state)

    def look(self, now: float) -> None:
        """Plan a look now."""
        self._planned_at = now

    def look_by(self, at: float) -> None:
        """Plan a look then at the latest."""
        self._planned_at = at if self._planned_at is None else min(self._planned_at, at)

    def nudge(self, now: float) -> None:
        """Plan a look now, and soon again until the callback is confirmed."""
        self._nudged_until = now + NUDGED_S
        self._planned_at = now

    def look_again(self, now: float, *, ending: bool) -> None:
        """
        Plan the next look after one that did not end the task.

        Args:
            now: when that one was.
            ending: whether a terminal frame waits to be confirmed.
        """
        self._looked_at = now
        if self._blank_since is not None:
            later = [self._blank_since + delay for delay in BLANK_CHECKS_S if self._blank_since + delay > now]
            self._planned_at = later[0] if later else now + UNCONFIRMED_CHECK_S
        elif ending or now < self._nudged_until:
            self._planned_at = now + UNCONFIRMED_CHECK_S
        elif self.streaming:
            self._planned_at = now + self._patience.watch_s
        else:
            self._planned_at = now + self._patience.until_poll_s(now - self._heard_at)

    def is_blank(self, now: float) -> bool:
        """Take note of an end that lacks something, and say whether it is to be read again before it is believed."""
        self._blank_since = now if self._blank_since is None else self._blank_since
        return now < self._blank_since + BLANK_CHECKS_S[-1]

    def stop(self) -> None:
        """Look no more."""
        self._planned_at = None
