"""The tasks of a run, drawn from its seed: models, unique prompts, and faults of the simulated platform."""

import re
from dataclasses import dataclass
from random import Random

IMAGES = (
    "bytedance/text-to-image-seedream-v4",
    "bytedance/seedream-v4",
    "bytedance/text-to-image-seedream-v3",
)
VIDEO = "bytedance/image-to-video-seedance-v1"
CHAT = "wiro/sandbox-chat"

FAULTS = (
    "",
    "exit=1",
    "exit=137, stderr_lines=20",
    "early_close=task_start:1006",
    "early_close=task_end:1000",
    "duplicate_every=3",
    "reorder_every=4",
    "duplicate_every=5, reorder_every=7",
    "detail_lag_s=0.7",
    "detail_lag_s=1.3, webhook_early",
    "detail_empty_polls=2",
    "detail_http=500*3",
    "no_terminal",
    "straggler, stderr_lines=9",
    "pexit_missing",
    "pexit_missing, exit=3",
    "persisted_error=recovers",
    "odd_frames=not_json|array|half_emoji|binary|foreign",
    "tqdm, timestamps=ms",
    "dialect=gen0",
    "dialect=gen2",
    "dialect=gen2, pexit_missing",
    "webhook_early, webhook_times=3",
    "run_http=drop",
    "run_http=502:html, run_http_started=on",
    "run_http=200:truncated",
    "run_http=drop_before",
    "run_http=503:empty",
    "run_error=97:Insufficient balance",
    "run_token_missing",
    "run_envelope=data, run_taskid=number",
)
SHORT_ONLY = ("silent", "silent, detail_lag_s=0.5", "silent, exit=1")
"""Without frames only the record is left, and a long run would be a stall."""

_NUMBER = re.compile(r"Task (\d+) of")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTask:
    """One task to start, `pause_s` after the one before; it is cancelled `cancel_after_s` after its start, if set."""

    number: int
    model: str
    faults: str
    prompt: str
    pause_s: float
    twice: bool
    """Whether to repeat the request twice with the same idempotency key."""
    cancel_after_s: float | None

    @property
    def tag(self) -> str:
        """The tag that identifies the task."""
        return f"task-{self.number}"

    @property
    def refused(self) -> bool:
        """Whether the platform refuses it, which frees the idempotency key."""
        return "run_error" in self.faults


def planned_tasks(random: Random, count: int, within_s: float) -> list[PlannedTask]:
    """Return the tasks of a run, spread over `within_s`; with enough of them every fault occurs."""
    kinds = [(faults, random.choice((*IMAGES, CHAT, VIDEO))) for faults in FAULTS]
    kinds += [(faults, random.choice((*IMAGES, CHAT))) for faults in SHORT_ONLY]
    kinds += [("", model) for model in (*IMAGES, CHAT, VIDEO)]
    while len(kinds) < count:
        kinds.append((random.choice(FAULTS), random.choice((*IMAGES, CHAT, VIDEO))))
    random.shuffle(kinds)
    return [_planned(random, number, faults, model, within_s / count) for number, (faults, model) in enumerate(kinds)]


def number_of(prompt: str) -> int:
    """Return the number of the task that a prompt belongs to."""
    found = _NUMBER.search(prompt)
    assert found is not None, prompt
    return int(found[1])


def _planned(random: Random, number: int, faults: str, model: str, mean_pause_s: float) -> PlannedTask:
    prompt = f"Task {number} of many"
    return PlannedTask(
        number=number,
        model=model,
        faults=faults,
        prompt=f"{prompt} [sandbox: {faults}]" if faults else prompt,
        pause_s=min(random.expovariate(1 / mean_pause_s), 4 * mean_pause_s),
        twice=random.random() < 0.2,
        cancel_after_s=random.uniform(0, 2) if random.random() < 0.08 else None,
    )
