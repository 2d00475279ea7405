"""What is counted of tasks: starts, ends, costs, and how long their stages take."""

from collections.abc import Iterator
from typing import Final

from relay.core.events import Stage
from relay.core.snapshot import Snapshot
from relay.counting import Histogram, LabeledCounter

PHASE_BOUNDS_S: Final = (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0, 1800.0)

MODELS: Final = 20
"""How many models have their own durations. The models after that share those of OTHER."""

OTHER: Final = "other"

_PHASES: Final = {
    Stage.QUEUE: "queued",
    Stage.ACCEPT: "queued",
    Stage.PREPROCESS_START: "preparing",
    Stage.PREPROCESS_END: "preparing",
    Stage.ASSIGN: "preparing",
    Stage.START: "running",
    Stage.END: "finishing",
    Stage.POSTPROCESS_START: "finishing",
    Stage.POSTPROCESS_END: "finishing",
}


class TaskCounts:
    """The tasks that this process has followed since its start."""

    def __init__(self) -> None:
        self.started = LabeledCounter()
        """Tasks that were created here, by provider."""
        self.ended = LabeledCounter()
        """By provider and verdict."""
        self.spent = LabeledCounter()
        """The sum of the costs, by unit."""
        self.streams = LabeledCounter()
        """Attempts to open a live stream, by provider and outcome: `opened`, `failed` or `no_files`."""
        self.phases: dict[tuple[str, str], Histogram] = {}
        """The durations of phases in seconds, by model and phase."""
        self._models: set[str] = set()

    def end(self, snapshot: Snapshot) -> None:
        """Count a task that has ended."""
        if (done := snapshot.done) is None:
            raise AssertionError(f"task {snapshot.id} has not ended")
        self.ended[snapshot.provider, done.verdict] += 1
        if done.cost is not None:
            self.spent[done.cost.unit,] += done.cost.amount
        for phase, duration_s in phases(snapshot):
            self._phase(snapshot.model, phase).observe(duration_s)

    def _phase(self, model: str, phase: str) -> Histogram:
        if model not in self._models:
            if len(self._models) < MODELS:
                self._models.add(model)
            else:
                model = OTHER
        return self.phases.setdefault((model, phase), Histogram(PHASE_BOUNDS_S))


def phases(snapshot: Snapshot) -> Iterator[tuple[str, float]]:
    """
    Yield how long a task that has ended was queued, preparing, running and finishing, in seconds.

    Stages that were not reported belong to the phase before. The phases are those that pages show.
    """
    begins = [(_PHASES[mark.type], mark.at) for mark in snapshot.stages]
    ended_at = snapshot.updated_at if snapshot.ended_at is None else snapshot.ended_at
    for number, (phase, began_at) in enumerate(begins):
        if number == 0 or begins[number - 1][0] != phase:
            end_at = next((at for later, at in begins[number:] if later != phase), ended_at)
            yield phase, max(0.0, end_at - began_at)
