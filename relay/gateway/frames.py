"""
The frames of Wiro's task socket, from the events of a log (https://wiro.ai/docs, "WebSocket"; gen-1 of its dialects).

A client gets the stages that have passed, the answer so far, and then what happens. Progress and answers are
cumulative at Wiro: of those that come together, only the last one is sent. The last frame comes with `done` and not
with `postprocess_end`, because then Task/Detail is certainly final.
A stage that becomes known after a later one is left out, because clients show the last one that they got.
"""

from collections.abc import Iterable, Iterator, Sequence

from relay.core.events import (
    STAGE_ORDER,
    AppendOutput,
    Began,
    Done,
    Event,
    LogOutput,
    Progress,
    ProgressOutput,
    Results,
    Stage,
    State,
)
from relay.core.snapshot import Snapshot, fold
from relay.gateway import entry

Frame = dict[str, object]


class Frames:
    """Translates one task for one connection."""

    def __init__(self, token: str) -> None:
        """
        Args:
            token: with which the client subscribed, and which its frames repeat.
        """
        self._token = token
        self._state: Snapshot | None = None
        self._reached_last = -1
        """The rank of the latest stage."""
        self.ended = False
        """Whether the last frame was made."""

    def of_state(self, snapshot: Snapshot) -> Sequence[Frame]:
        """Return the frames that lead to a state: at the beginning, or after something was missed."""
        first, self._state = self._state is None, snapshot
        return [*self._of_state(snapshot, with_log=first)]

    def of_events(self, events: Sequence[Event]) -> Sequence[Frame]:
        """Return the frames of events that follow the state. Those that it contains already are left out."""
        before = self._state
        if before is None:
            raise AssertionError("a translation begins with a state")
        new = [event for event in events if event.seq > before.seq]
        self._state = fold(before, new)
        return [*self._of_events(new, self._state)]

    def _of_state(self, snapshot: Snapshot, *, with_log: bool) -> Iterator[Frame]:
        for stage in sorted((stage.type for stage in snapshot.stages), key=STAGE_ORDER.__getitem__):
            yield from self._reached(snapshot.id, stage)
        if with_log:
            for part in snapshot.log:
                yield self._frame(snapshot.id, _log_type(part.stream), part.text)
        if snapshot.progress is not None and not snapshot.state.ended:
            yield self._frame(snapshot.id, "task_output", _progress(snapshot.progress))
        if snapshot.segments and not snapshot.state.ended:
            yield self._frame(snapshot.id, "task_output", _answer(snapshot))
        if snapshot.done is not None:
            yield self._last(snapshot)

    def _of_events(self, events: Iterable[Event], after: Snapshot) -> Iterator[Frame]:
        progress: Progress | None = None
        answered = False
        for event in events:
            match event.data:
                case ProgressOutput(progress=progress):
                    continue
                case AppendOutput():
                    answered = True
                    continue
                case _:
                    pass
            if progress is not None:
                yield self._frame(event.task, "task_output", _progress(progress))
                progress = None
            match event.data:
                case Began():
                    yield from self._reached(event.task, Stage(event.type))
                case LogOutput(log=log):
                    yield self._frame(event.task, _log_type(log.stream), log.text)
                case Results() if event.type == Stage.POSTPROCESS_END:
                    yield from self._reached(event.task, Stage.POSTPROCESS_END)
                case Done():
                    if answered:
                        yield self._frame(event.task, "task_output", _answer(after))
                    answered = False
                    yield self._last(after)
                case _:
                    pass
        if progress is not None:
            yield self._frame(after.id, "task_output", _progress(progress))
        if answered:
            yield self._frame(after.id, "task_output", _answer(after))

    def _reached(self, task: str, stage: Stage) -> Iterator[Frame]:
        if STAGE_ORDER[stage] > self._reached_last:
            self._reached_last = STAGE_ORDER[stage]
            if stage is not Stage.POSTPROCESS_END:  # the last frame says so
                yield self._frame(task, f"task_{stage}", None)

    def _last(self, snapshot: Snapshot) -> Frame:
        self.ended = True
        succeeded = snapshot.state is State.SUCCEEDED
        if snapshot.state is State.CANCELED:
            frame, code = self._frame(snapshot.id, "task_cancel", None), None
        else:
            code = int(entry.exit_code(snapshot))
            frame = self._frame(snapshot.id, "task_postprocess_end", entry.outputs(snapshot))
        return frame | {"terminal": True, "success": succeeded, "exitCode": code}

    def _frame(self, task: str, kind: str, message: object) -> Frame:
        return {"type": kind, "id": task, "tasktoken": self._token, "message": message, "result": True}


def _log_type(stream: str) -> str:
    return "task_error" if stream == "stderr" else "task_output"


def _progress(progress: Progress) -> dict[str, object]:
    """Return progress as Wiro writes it: all texts, and only what is known."""
    eta = progress.eta.high_s if progress.eta is not None else None
    phase = progress.phase.percent if progress.phase is not None else None
    percent = phase if phase is not None else progress.percent
    known = {
        "task": progress.label,
        "percentage": None if percent is None else f"{percent:g}",
        "stepCurrent": None if progress.step is None else str(progress.step),
        "stepTotal": None if progress.steps is None else str(progress.steps),
        "speed": None if progress.speed is None else f"{progress.speed:g}",
        "speedType": progress.unit,
        "remainingTime": None if eta is None else f"{eta:.0f}s",
    }
    return {"type": "progressGenerate", **{name: value for name, value in known.items() if value is not None}}


def _answer(snapshot: Snapshot) -> dict[str, object]:
    thinks = snapshot.segments[-1].kind == "thinking"
    return {"type": "progressGenerate", "task": "Generate", **entry.answer(snapshot), "isThinking": thinks}
