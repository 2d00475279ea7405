"""The times of one task while it runs: what is known of the time that is left, and what is counted at its end."""

import math
from typing import Final

from relay.core.events import Began, Data, Done, Hold, ProgressOutput, Remaining, Results, State, Submitted
from relay.core.history.eta import pace, state_times, time_left
from relay.core.history.input_class import InputClass
from relay.core.history.tally import DAY_S, PACES, SPANS, SUM, VERDICT, Counter, Tally
from relay.core.history.usual import ModelHistory
from relay.core.snapshot import Snapshot

EVERY_S: Final = 1.0
"""How often progress leads to another estimate, at most."""

CHANGE: Final = 0.1
CHANGE_S: Final = 0.5
"""An estimate is written if it moves the end by more than this share of the time that is left, and than CHANGE_S."""


class TaskTimes:
    """The times of one task. It sees every event of the task, in order, since it was made."""

    def __init__(
        self, snapshot: Snapshot, history: ModelHistory | None = None, inputs: InputClass | None = None
    ) -> None:
        """
        Args:
            snapshot: the task's state.
            history: the runs of its model; null to estimate nothing.
            inputs: the class of its input; null for a task that the relay did not start.
        """
        self._history = history
        self._inputs = inputs or InputClass()
        self._ours = inputs is not None
        self._eta = snapshot.eta
        self._looked_at = -math.inf
        self._sent_at = snapshot.created_at
        self._held: tuple[float, int] | None = None
        self._place_s: float | None = None
        self._paces: dict[float, float] = {}
        """How long the work takes in all, as it was estimated when a percentage was reached."""
        if snapshot.hold is not None:
            self._held = snapshot.updated_at, snapshot.hold.position

    def usual_silence_s(self) -> float:
        """Return how long a run of the model may be silent by its history; 0 if that is not known."""
        return 0.0 if self._history is None else self._history.usual(self._inputs).silence_s

    def note(self, data: Data, state: Snapshot, now: float) -> Remaining | None:
        """
        Note an event.

        Args:
            data: the event's.
            state: the task's state after it.
            now: unix seconds.

        Returns:
            How long the task still needs, if that is to be written with the event.
        """
        match data:
            case ProgressOutput():
                if now < self._looked_at + EVERY_S:
                    return None
                self._looked_at = now
                self._note_pace(state, now)
            case Hold():
                self._note_hold(data, now)
            case Began() | Submitted() | Results():
                pass
            case _:
                return None
        if self._history is None:
            return None
        left = time_left(state, self._history.usual(self._inputs), now, self._sent_at)
        if left is None or not _differs(self._eta, left):
            return None
        self._eta = left
        return left

    def tally(self, state: Snapshot, silence_s: float) -> Tally | None:
        """
        Return what is counted of a task that has ended; null for one that the relay did not start.

        Args:
            state: its last state.
            silence_s: the longest time without news.
        """
        done, ended_at = state.done, state.ended_at
        if done is None or ended_at is None or not self._ours:
            return None
        counter = Counter()
        counter.increase(f"{VERDICT}{done.verdict}", 1)
        if done.cost is not None:
            counter.increase(f"{SUM}{done.cost.unit}", done.cost.amount)
        times = state_times(state)
        counter.add("place", self._place_s)
        counter.add("queue", _queue_s(state, times))
        if done.verdict == "succeeded":
            self._count_success(counter, state, done, times, ended_at, silence_s)
        began = times.get(State.RUNNING, state.created_at)
        failed = done.verdict in ("failed", "lost")
        return Tally(
            provider=state.provider,
            model=state.model.lower(),
            inputs=self._inputs.key if self._history is None else self._history.counted_as(self._inputs),
            day=math.floor(ended_at / DAY_S),
            counts=counter.counts,
            slowest=((round(ended_at - began, 3), state.id),) if done.verdict == "succeeded" else (),
            failed=((round(ended_at, 3), state.id),) if failed else (),
        )

    def _count_success(
        self,
        counter: Counter,
        state: Snapshot,
        done: Done,
        times: dict[State, float],
        ended_at: float,
        silence_s: float,
    ) -> None:
        counter.add("task", ended_at - state.created_at)
        counter.add("silence", silence_s)
        sent = {State.QUEUED: self._sent_at}
        for span, began in (sent | times).items():
            counter.add(SPANS[span], ended_at - began)
        work_ended_at = times.get(State.FINISHING, ended_at)
        for percent, work_s in self._paces.items():
            counter.add(f"pace{percent:g}", (work_ended_at - times[State.RUNNING]) / work_s)
        if done.cost is not None and done.cost.amount > 0:
            counter.add(done.cost.unit, done.cost.amount)

    def _note_hold(self, hold: Hold, now: float) -> None:
        if self._held is None:
            self._held = now, hold.position
        if hold.position == 0:  # the task leaves the queue
            since, position = self._held
            self._sent_at = now
            self._place_s = (now - since) / max(1, position)

    def _note_pace(self, state: Snapshot, now: float) -> None:
        if (found := pace(state, state_times(state), now)) is not None:
            percent, work_s = found
            if work_s > 0:
                self._paces.setdefault(max(each for each in PACES if each <= percent), work_s)


def _queue_s(state: Snapshot, times: dict[State, float]) -> float | None:
    """Return how long a task waited: in the relay's queue and in the platform's."""
    left = [at for span, at in times.items() if span is not State.QUEUED]
    return max(0.0, min(left) - state.created_at) if left else None


def _differs(before: Remaining | None, after: Remaining) -> bool:
    """Return whether viewers would see a difference."""
    if before is None or before.basis != after.basis:
        return True
    allowed_s = max(CHANGE_S, CHANGE * after.p50_s)
    elapsed_s = after.at - before.at
    return (
        abs(after.p50_s - max(0.0, before.p50_s - elapsed_s)) > allowed_s
        or abs(after.p90_s - max(0.0, before.p90_s - elapsed_s)) > allowed_s
    )
