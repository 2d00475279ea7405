"""How long a task may take for what: plain numbers, and the plan of looking again that follows from them."""

from dataclasses import dataclass, replace

from relay.core.events import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait for what, in seconds."""

    silence_s: float = 60.0
    """A running task without news for so long, and a check without news after it, is a stall."""
    watch_s: float = 60.0
    """The record is read this often while the stream is open: frames can be lost on a healthy socket too."""
    poll_s: float = 5.0
    """The same while there is no stream."""
    poll_longest_s: float = 5.0
    """Up to so long where nothing has changed for long: a tenth of the silence so far."""
    deadline_s: float = 86_400.0
    """A task without an end is lost after so long, if the platform's record has not ended it by then."""
    grace_s: float = 3600.0
    """
    A task that is taken up again has at least this much of `deadline_s` left: how long the relay was off, only a clock
    says that may have been wrong then or may be wrong now.
    """

    def without_stream(self) -> "Patience":
        """Return the same for an upstream that has no stream: it is asked sooner, and may be silent for longer."""
        return replace(self, poll_s=2.5, poll_longest_s=15.0, silence_s=5 * self.silence_s)

    def lost_at(self, since: float, now: float) -> float:
        """Return when a task is due to be lost that the relay took on at `since` and follows from `now` on."""
        return now + min(self.deadline_s, max(since + self.deadline_s - now, self.grace_s))

    def silence_in_s(self, state: State) -> float:
        """Return how long a task may be silent in a state: loading a model or storing a video says nothing for long."""
        return self.silence_s if state is State.RUNNING else 3 * self.silence_s

    def until_poll_s(self, silent_s: float) -> float:
        """Return how long to wait for the next look after so long a silence, while there is no stream."""
        return min(self.poll_longest_s, max(self.poll_s, silent_s / 10))
