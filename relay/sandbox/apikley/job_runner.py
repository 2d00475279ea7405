"""Run jobs in real time, at the sandbox's speed."""

import asyncio
import time
from typing import Final

from relay.sandbox.apikley.callbacks import Callbacks
from relay.sandbox.apikley.jobs import Job, State
from relay.sandbox.shared.background import BackgroundTasks
from relay.sandbox.switches.values import Stage

_DURATIONS_S: Final[tuple[tuple[State, float], ...]] = (("waiting", 0.8), ("queuing", 1.5), ("generating", 8.0))
"""How long each state lasts at speed 1, in seconds."""

_HOLD_STAGES: Final[dict[State, Stage]] = {
    "waiting": "task_queue",
    "queuing": "task_assign",
    "generating": "task_start",
}
"""The value of the switch `hold_at` that pauses a job in a state."""

_PROGRESS_UPDATES: Final = 10


class JobRunner:
    """The jobs that are running."""

    def __init__(self, *, speed: float) -> None:
        self._speed = speed
        self._callbacks = Callbacks()
        self._running = BackgroundTasks()

    def start(self, job: Job) -> None:
        """Start a job."""
        self._running.start(self._run(job), name=f"sandbox job {job.id}")

    async def close(self) -> None:
        """Stop all jobs and callbacks."""
        await self._running.close()
        await self._callbacks.close()

    async def _run(self, job: Job) -> None:
        for state, duration_s in _DURATIONS_S:
            _enter(job, state)
            if _HOLD_STAGES[state] in job.faults.hold_at:
                await job.hold(state)
            for update in range(_PROGRESS_UPDATES):
                await asyncio.sleep(duration_s / _PROGRESS_UPDATES / self._speed)
                if state == "generating":
                    job.percent = 100 * (update + 1) // _PROGRESS_UPDATES
        job.ended_at = time.time()
        _enter(job, "fail" if job.faults.fail is not None or job.faults.exit else "success")
        self._callbacks.send(job)


def _enter(job: Job, state: State) -> None:
    job.state = state
    job.changed_at = time.time()
    job.notify()
