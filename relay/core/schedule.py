"""
When to read the platform's record of a task, and how long the task may go without news.

Only times are computed here. `lifecycle` interprets the records.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from relay.core.events import State

INCOMPLETE_CHECKS_S: Final = (2.0, 5.0, 10.0, 30.0)
"""When to reread a record that says the task has finished but lacks outputs, in seconds after the first reading."""

UNCONFIRMED_CHECK_S: Final = 1.0
"""How often to read the record while a terminal frame or a callback is not confirmed by it."""

MOST_SILENCE: Final = 10.0
"""How many times its configured limit a task may be silent, if that is usual for its model."""

CALLBACK_S: Final = 10.0
"""How long a callback may stay unconfirmed: it can arrive before the record shows the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLimits:
    """How long a task may take and how often it is checked, in seconds."""

    silence_s: float = 60.0
    """A running task is stalled when there was no news for this long and the record has none either."""
    streaming_check_s: float = 60.0
    """How often the record is read while the stream is open. Frames can be lost on a healthy socket, too."""
    poll_s: float = 5.0
    """How often the record is read without a stream."""
    poll_longest_s: float = 5.0
    """Upper bound of the polling interval, which grows to a tenth of the silence so far."""
    deadline_s: float = 86_400.0
    """A task without an end is lost after this time, unless the platform's record has ended it by then."""
    grace_s: float = 3600.0
    """
    The minimum time left of `deadline_s` when a task is resumed after a restart.

    How long the relay was down is known from the system clock only, which may be wrong.
    """

    def without_stream(self) -> "TimeLimits":
        """Return the limits for a platform without a stream: polled sooner, and allowed to be silent for longer."""
        return replace(self, poll_s=2.5, poll_longest_s=15.0, silence_s=5 * self.silence_s)

    def lost_at(self, since: float, now: float) -> float:
        """Return when a task is lost that the relay accepted at `since` and follows from `now` on."""
        return now + min(self.deadline_s, max(since + self.deadline_s - now, self.grace_s))

    def silence_in_s(self, state: State, usual_s: float = 0.0) -> float:
        """
        Return how long a task may be silent in a state. Loading a model or storing a video takes long.

        Args:
            state: of the task.
            usual_s: how long runs of its model are silent, with an allowance. It raises the limit, up to MOST_SILENCE
                times, and never lowers it.
        """
        limit_s = self.silence_s if state is State.RUNNING else 3 * self.silence_s
        return max(limit_s, min(usual_s, MOST_SILENCE * limit_s))

    def poll_interval_s(self, silent_s: float) -> float:
        """Return the time until the next poll, after `silent_s` without news."""
        return min(self.poll_longest_s, max(self.poll_s, silent_s / 10))


class CheckSchedule:
    """When the record of one task is read next. A check is one reading of the record."""

    def __init__(self, limits: TimeLimits, now: float, usual_silence_s: Callable[[], float] = lambda: 0.0) -> None:
        """
        Args:
            limits: how long the task may go without news.
            now: unix seconds.
            usual_silence_s: returns how long runs of the task's model are silent, with an allowance; 0 if unknown.
        """
        self._limits = limits
        self._usual_silence_s = usual_silence_s
        self.longest_silence_s = 0.0
        """The longest time between two pieces of news so far, without the time in the platform's queue."""
        self._planned_at: float | None = None
        self._news_at = now
        self._queued_until = now
        self._checked_at = now
        self._callback_until = now
        self._incomplete_since: float | None = None
        self.streaming = False
        """Whether the stream is open. Frames then deliver news, and checks are a safeguard."""

    def next_at(self, state: State, *, stalled: bool) -> float | None:
        """
        Return when to check next; null after `stop`.

        That is the planned time, or earlier when the silence reaches its limit. The limit applies once: after that, the
        task is stalled.
        """
        silent_at = max(self._news_at, self._queued_until) + self._limit_s(state)
        if self._planned_at is None or stalled or self._checked_at >= silent_at:
            return self._planned_at
        return min(self._planned_at, silent_at)

    def note_news(self, now: float) -> None:
        """Note that there was news of the task."""
        self.longest_silence_s = max(self.longest_silence_s, self.silent_s(now))
        self._news_at = now

    def note_queued(self, now: float) -> None:
        """Note that the task is in the platform's queue, where silence is normal."""
        self._queued_until = now

    def silent_s(self, now: float) -> float:
        """Return the time since the last news, in seconds."""
        return now - max(self._news_at, self._queued_until)

    def is_silent(self, state: State, now: float) -> bool:
        """Return whether the time since the last news is longer than is normal in this state."""
        return self.silent_s(now) >= self._limit_s(state)

    def _limit_s(self, state: State) -> float:
        return self._limits.silence_in_s(state, self._usual_silence_s())

    def check_now(self, now: float) -> None:
        """Plan an immediate check."""
        self._planned_at = now

    def check_by(self, at: float) -> None:
        """Plan a check for `at` at the latest."""
        self._planned_at = at if self._planned_at is None else min(self._planned_at, at)

    def note_callback(self, now: float) -> None:
        """Plan an immediate check, and frequent ones until the record confirms the callback."""
        self._callback_until = now + CALLBACK_S
        self._planned_at = now

    def plan_next(self, now: float, *, ending: bool) -> None:
        """
        Plan the check after one that did not end the task.

        Args:
            now: when that check was made.
            ending: whether a terminal frame is waiting to be confirmed.
        """
        self._checked_at = now
        if self._incomplete_since is not None:
            times = (self._incomplete_since + delay_s for delay_s in INCOMPLETE_CHECKS_S)
            self._planned_at = next((at for at in times if at > now), now + UNCONFIRMED_CHECK_S)
        elif ending or now < self._callback_until:
            self._planned_at = now + UNCONFIRMED_CHECK_S
        elif self.streaming:
            self._planned_at = now + self._limits.streaming_check_s
        else:
            self._planned_at = now + self._limits.poll_interval_s(now - self._news_at)

    def awaits_completion(self, now: float) -> bool:
        """Note that the task has ended with an incomplete record; return whether to wait for the rest of it."""
        if self._incomplete_since is None:
            self._incomplete_since = now
        return now < self._incomplete_since + INCOMPLETE_CHECKS_S[-1]

    def stop(self) -> None:
        """Plan no more checks."""
        self._planned_at = None
