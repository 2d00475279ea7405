"""What is counted of tasks: starts, ends, costs, and how long their stages take."""

from typing import Final

from relay.core.snapshot import Snapshot
from relay.counting import Histogram, Tally

STAGE_BOUNDS_S: Final = (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0, 1800.0)

MODELS: Final = 20
"""How many models have their own durations. The models after that share those of OTHER."""

OTHER: Final = "other"


class TaskCounts:
    """The tasks that this process has followed since its start."""

    def __init__(self) -> None:
        self.started = Tally()
        """Tasks that were created here, by provider."""
        self.ended = Tally()
        """By provider and verdict."""
        self.spent = Tally()
        """The sum of the costs, by unit."""
        self.streams = Tally()
        """Attempts to open a live stream, by provider and outcome: `opened`, `failed` or `no_files`."""
        self.stages: dict[tuple[str, str], Histogram] = {}
        """The durations of stages in seconds, by model and stage."""
        self._models: set[str] = set()

    def end(self, snapshot: Snapshot) -> None:
        """Count a task that has ended."""
        if (done := snapshot.done) is None:
            raise AssertionError(f"task {snapshot.id} has not ended")
        self.ended[snapshot.provider, done.verdict] += 1
        if done.cost is not None:
            self.spent[done.cost.unit,] += done.cost.amount
        marks = snapshot.stages
        ends_at = [*(mark.at for mark in marks[1:]), snapshot.ended_at or snapshot.updated_at]
        for mark, end_at in zip(marks, ends_at, strict=False):
            self._stage(snapshot.model, mark.type).observe(max(0.0, end_at - mark.at))

    def _stage(self, model: str, stage: str) -> Histogram:
        if model not in self._models:
            if len(self._models) < MODELS:
                self._models.add(model)
            else:
                model = OTHER
        return self.stages.setdefault((model, stage), Histogram(STAGE_BOUNDS_S))
