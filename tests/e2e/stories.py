"""
Tasks in every state that a page can show, written directly into a journal.

Nothing runs, so the states do not change.
"""

import base64
import time
from dataclasses import dataclass, replace
from functools import cache

from relay.app import Running
from relay.core.addresses import with_hrefs
from relay.core.events import (
    Append,
    AppendOutput,
    Began,
    Cancel,
    Cost,
    Data,
    Done,
    Eta,
    Event,
    Fault,
    Hold,
    Log,
    LogOutput,
    Output,
    Phase,
    Progress,
    ProgressOutput,
    Remaining,
    Results,
    Source,
    Stall,
    State,
    Submit,
    Submitted,
)
from relay.journal.base import StoredTask
from relay.journal.file_copies import copies_of
from relay.sandbox import pictures

IMAGE = "bytedance/seedream-v4"
VIDEO = "bytedance/image-to-video-seedance-v1"
CHAT = "wiro/sandbox-chat"


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of a story, `ago_s` seconds ago."""

    ago_s: float
    type: str
    state: State
    data: Data
    source: Source = Source.LIVE
    left_s: tuple[float, float] | None = None
    """How long the whole task still needs from then on, at p50 and p90."""


@cache
def picture(seed: str, width: int, height: int) -> str:
    """Return a small picture as a data URL."""
    return "data:image/png;base64," + base64.b64encode(pictures.draw(seed, width, height)).decode()


def _stages(ago_s: float, *names: str, source: Source = Source.LIVE) -> list[Entry]:
    """Return events of these stages, the first `ago_s` seconds ago."""
    states = {
        "queue": State.QUEUED,
        "accept": State.PREPARING,
        "preprocess_start": State.PREPARING,
        "preprocess_end": State.PREPARING,
        "assign": State.PREPARING,
        "start": State.RUNNING,
        "end": State.FINISHING,
        "postprocess_start": State.FINISHING,
    }
    after = {"queue": 0, "accept": 2.4, "preprocess_start": 3.1, "preprocess_end": 4, "assign": 4.6, "start": 6.2}
    after |= {"end": ago_s - 2.5, "postprocess_start": ago_s - 1.8}
    return [Entry(ago_s - after[name], name, states[name], Began(), source) for name in names]


_TO_START = ("queue", "accept", "preprocess_start", "preprocess_end", "assign", "start")
_TO_END = (*_TO_START, "end", "postprocess_start")


def _log(ago_s: float, text: str, stream: str = "stdout") -> Entry:
    return Entry(ago_s, "output", State.RUNNING, LogOutput(log=Log(stream=stream, text=text)))  # type: ignore[arg-type]


def _progress(ago_s: float, percent: float | None, **more: object) -> Entry:
    progress = Progress(percent=percent, **more)  # type: ignore[arg-type]
    return Entry(ago_s, "output", State.RUNNING, ProgressOutput(progress=progress))


def _estimated(entry: Entry, p50_s: float, p90_s: float) -> Entry:
    return replace(entry, left_s=(p50_s, p90_s))


def _answer(segment: int, kind: str, text: str) -> Entry:
    append = Append(segment=segment, kind=kind, offset=0, text=text)
    return Entry(1, "output", State.RUNNING, AppendOutput(append=append))


_TALK = (
    "Loading checkpoint shards: 100%|██████████| 4/4\nModel ready on cuda:0 in 3.9 s\n"
    "Sampling:  10%|█         | 1/10\rSampling:  40%|████      | 4/10\rSampling:  60%|██████    | 6/10\n"
)
_RUN = [
    _log(40, _TALK),
    _log(39, "UserWarning: the scheduler ignores `eta`\n", "stderr"),
    _log(38, "seed 1969632740\n"),
]


def _ended(verdict: State, done: Done, ago_s: float = 0.4) -> Entry:
    return Entry(ago_s, "done", verdict, done)


def stories() -> dict[str, tuple[str, list[Entry]]]:
    """Return model and events of each story by name; `write` adds `submit` and `submitted`."""
    measured = {"step": 6, "steps": 10, "label": "Sampling", "speed": 1.42, "unit": "it/s"}
    images = [
        Output(content_type="image/png", name=f"village-{n}.png", size=2_310_044 + n, url=picture(f"a{n}", 240, 160))
        for n in range(2)
    ]
    upstream = Eta(low_s=12, high_s=12, n=None, basis="upstream")
    return {
        "queued": (IMAGE, _stages(12, "queue")),
        "held": (IMAGE, [Entry(8, "hold", State.HELD, Hold(reason="Wiro runs as many tasks as it may", position=3))]),
        "preparing": (IMAGE, _stages(9, "queue", "accept", "preprocess_start")),
        "running": (
            IMAGE,
            [*_stages(47, *_TO_START), *_RUN, _estimated(_progress(1, 60.0, **measured, eta=upstream), 240, 280)],
        ),
        "running-video": (
            VIDEO,
            [*_stages(210, *_TO_START), *_RUN, _estimated(_progress(1, 38.0, basis="estimated"), 2460, 4080)],
        ),
        "unmeasured": (VIDEO, [*_stages(31, *_TO_START), _log(20, "Loading the model…\n")]),
        "stalled": (
            VIDEO,
            [
                *_stages(340, *_TO_START),
                *_RUN,
                _progress(150, 44.0, **measured),
                Entry(2, "stall", State.RUNNING, Stall(silent_s=148, checked="status task_output")),
            ],
        ),
        "quiet": (
            VIDEO,
            [
                *_stages(340, *_TO_START),
                *_RUN,
                _progress(150, 44.0, **measured),
                Entry(
                    2,
                    "stall",
                    State.RUNNING,
                    Stall(silent_s=148, checked="status task_start", confirmed=True),
                ),
            ],
        ),
        "upscaling": (
            VIDEO,
            [
                *_stages(90, *_TO_START),
                *_RUN,
                _progress(
                    1,
                    100.0,
                    **(measured | {"label": "Upscaling", "step": 3}),
                    phase=Phase(index=1, label="Upscaling", percent=30),
                ),
            ],
        ),
        "reconciled": (
            IMAGE,
            [*_stages(64, *_TO_START, source=Source.RECONCILED), _progress(1, 71.0, label="Sampling")],
        ),
        "canceling": (IMAGE, [*_stages(20, *_TO_START), Entry(1, "cancel", State.RUNNING, Cancel(by="viewer"))]),
        "streaming": (
            CHAT,
            [
                *_stages(14, *_TO_START),
                _answer(0, "thinking", "They ask for three cities. Rome is one, so is Athens…\n" * 4),
                _answer(
                    1, "answer", "Three cities come to mind:\n\n1. Rome, for its stones.\n2. Athens, for its light.\n3."
                ),
            ],
        ),
        "finishing": (IMAGE, [*_stages(40, *_TO_END), _progress(3, 100.0, **(measured | {"step": 10}))]),
        "succeeded": (
            IMAGE,
            [
                *_stages(52, *_TO_END),
                *_RUN,
                _progress(3, 100.0, **(measured | {"step": 10})),
                Entry(0.5, "postprocess_end", State.FINISHING, Results(outputs=tuple(images))),
                _ended(
                    State.SUCCEEDED,
                    Done(
                        verdict="succeeded",
                        exit_code=0,
                        cost=Cost(amount=0.0346, unit="usd"),
                        elapsed_s=44.2,
                        billed=True,
                        evidence=("record: status task_postprocess_end", "record: exit code 0"),
                    ),
                ),
            ],
        ),
        "files": (
            IMAGE,
            [
                *_stages(52, "queue", "start", "end"),
                Entry(
                    0.5,
                    "postprocess_end",
                    State.FINISHING,
                    Results(
                        outputs=(
                            Output(
                                content_type="model/gltf-binary",
                                name="chair.glb",
                                size=8_100_000,
                                url="https://example.com/chair.glb",
                            ),
                            Output(
                                content_type="audio/mpeg", name="voice.mp3", size=310_000, url="data:audio/mpeg;base64,"
                            ),
                            Output(
                                content_type="image/png", name="broken.png", size=None, url="data:image/png;base64,AAAA"
                            ),
                        )
                    ),
                ),
                _ended(
                    State.SUCCEEDED,
                    Done(
                        verdict="succeeded",
                        inferred=True,
                        evidence=("record: no exit code", "outputs: 3"),
                        warnings=("The answer was cut: length.",),
                    ),
                ),
            ],
        ),
        "answered": (
            CHAT,
            [
                *_stages(14, *_TO_END),
                _answer(0, "thinking", "They ask for three cities. Rome is one, so is Athens…\n" * 4),
                _answer(
                    1,
                    "answer",
                    "Three cities come to mind:\n\n1. Rome, for its stones.\n2. Athens, for its light.\n3. Lisbon.",
                ),
                _ended(
                    State.SUCCEEDED,
                    Done(
                        verdict="succeeded",
                        exit_code=0,
                        billed=True,
                        cost=Cost(amount=0.0004, unit="usd"),
                        elapsed_s=11,
                        evidence=("record: exit code 0",),
                    ),
                ),
            ],
        ),
        "recorded": (
            CHAT,
            [
                *_stages(14, "queue", "start", "end"),
                Entry(
                    0.5,
                    "postprocess_end",
                    State.FINISHING,
                    Results(
                        outputs=(
                            Output(
                                content_type="raw",
                                content={
                                    "prompt": "What is the weather in Rome?",
                                    "segments": [
                                        {"type": "thinking", "text": "They ask for the weather. A tool knows it."},
                                        {
                                            "type": "function_call",
                                            "name": "get_weather",
                                            "arguments": '{"city":"Rome"}',
                                        },
                                        {"type": "answer", "text": "It is 18 °C in Rome, and the sun shines."},
                                    ],
                                    "finishreason": "stop",
                                },
                            ),
                        )
                    ),
                ),
                _ended(State.SUCCEEDED, Done(verdict="succeeded", exit_code=0, billed=True)),
            ],
        ),
        "failed": (
            IMAGE,
            [
                *_stages(33, *_TO_START),
                *_RUN,
                _progress(3, 30.0, **(measured | {"step": 3})),
                _log(
                    2,
                    'Traceback (most recent call last):\n  File "run.py", line 88, in sample\n'
                    "RuntimeError: CUDA out of memory.\n",
                    "stderr",
                ),
                _ended(
                    State.FAILED,
                    Done(
                        verdict="failed",
                        exit_code=1,
                        billed=False,
                        elapsed_s=27,
                        evidence=("record: status task_end", "record: exit code 1"),
                        error=Fault(code=1, message="RuntimeError: CUDA out of memory."),
                    ),
                ),
            ],
        ),
        "no-funds": (
            IMAGE,
            [
                _ended(
                    State.FAILED,
                    Done(
                        verdict="failed",
                        billed=False,
                        evidence=("platform: rejected the run: Insufficient balance",),
                        error=Fault(code=97, message="Insufficient balance"),
                    ),
                )
            ],
        ),
        "bad-field": (
            IMAGE,
            [
                _ended(
                    State.FAILED,
                    Done(
                        verdict="failed",
                        billed=False,
                        evidence=("platform: rejected the run",),
                        error=Fault(code=None, message="Request parameter [size] is invalid"),
                    ),
                )
            ],
        ),
        "canceled": (
            IMAGE,
            [
                *_stages(22, *_TO_START),
                _progress(3, 20.0, **(measured | {"step": 2})),
                Entry(2, "cancel", State.RUNNING, Cancel(by="viewer")),
                _ended(
                    State.CANCELED,
                    Done(
                        verdict="canceled",
                        elapsed_s=19,
                        evidence=("record: status task_cancel", "stopped while running"),
                    ),
                ),
            ],
        ),
        "lost": (
            VIDEO,
            [
                *_stages(600, "queue", "start"),
                _ended(
                    State.LOST,
                    Done(
                        verdict="lost",
                        inferred=True,
                        evidence=("relay: the task did not end within 600 s", "state: running"),
                    ),
                ),
            ],
        ),
    }


def _remaining(one: Entry, now: float) -> Remaining | None:
    if one.left_s is None:
        return None
    p50_s, p90_s = one.left_s
    return Remaining(p50_s=p50_s, p90_s=p90_s, basis="history", samples=14, at=now - one.ago_s)


async def write(relay: Running, names: list[str] | None = None) -> list[str]:
    """Write stories (default: all) into the relay's journal, each as a task with its name as id; return the names."""
    now = time.time()
    known = stories()
    for index, name in enumerate(names or known):
        model, entries = known[name]
        began = entries[0].ago_s + (3.2 if len(entries) > 1 else 0.9)
        submitted = (
            []
            if name in ("held", "no-funds", "bad-field")
            else [Entry(began - 0.3, "submitted", State.QUEUED, Submitted(upstream_id=f"5342{index:02}"), Source.RELAY)]
        )
        tags = ("spring-campaign",) if index % 3 else ("spring-campaign", "retry")
        first = Entry(began, "submit", State.SUBMITTING, Submit(model=model, provider="wiro", tags=tags), Source.RELAY)
        events = [
            Event(
                type=one.type,
                task=name,
                seq=seq,
                state=one.state,
                at=now - one.ago_s,
                source=one.source,
                data=one.data,
                eta=_remaining(one, now),
            )
            for seq, one in enumerate([first, *submitted, *entries], start=1)
        ]
        record = StoredTask(
            id=name, provider="wiro", model=model, created_at=now - began, tags=tags, input={}, metadata={}
        )
        await relay.journal.create(record, events[0])
        await relay.journal.append(events[1:])
    return [*(names or known)]


async def write_task(
    relay: Running, task: str, entries: list[tuple[str, State, Data]], at: float | None = None
) -> None:
    """Write a task with these events after its `submit`, all at the time `at` (default: now)."""
    now = time.time() if at is None else at
    submit = Submit(model=IMAGE, provider="wiro", tags=())
    events = [
        Event(type=name, task=task, seq=seq, state=state, at=now, source=Source.LIVE, data=data)
        for seq, (name, state, data) in enumerate([("submit", State.SUBMITTING, submit), *entries], start=1)
    ]
    record = StoredTask(id=task, provider="wiro", model=IMAGE, created_at=now, input={}, metadata={})
    await relay.journal.create(record, events[0])
    outputs = [output for _, _, data in entries if isinstance(data, Results) for output in data.outputs]
    copies = () if relay.context.archive is None else copies_of(task, "wiro", outputs)
    await relay.journal.append(events[1:], copies=copies)


async def write_succeeded(relay: Running, task: str, *outputs: Output) -> None:
    """Write a task that has succeeded with these outputs. With an archive, they are copied to it."""
    results = Results(outputs=outputs if relay.context.archive is None else with_hrefs(task, outputs))
    done = Done(verdict="succeeded", exit_code=0, billed=True)
    entries: list[tuple[str, State, Data]] = [
        ("submitted", State.QUEUED, Submitted(upstream_id="1")),
        ("postprocess_end", State.FINISHING, results),
        ("done", State.SUCCEEDED, done),
    ]
    await write_task(relay, task, entries)
