"""What the run of a seed wishes for: models, prompts that occur once, and what goes wrong with each."""

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
"""Without a frame the record is all there is; a long run that is looked at twice in one stage would be a stall."""

_NUMBER = re.compile(r"wish (\d+) of")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One task that somebody wants. `pause_s` is from the wish before; `cancel_after_s` from its start, or null."""

    number: int
    model: str
    faults: str
    prompt: str
    pause_s: float
    twice: bool
    """Whether two requests are sent at once, under one key."""
    cancel_after_s: float | None

    @property
    def tag(self) -> str:
        """What its task is found by."""
        return f"wish-{self.number}"

    @property
    def refused(self) -> bool:
        """Whether the upstream says no, which frees the key."""
        return "run_error" in self.faults


def wishes(random: Random, count: int, within_s: float) -> list[Wish]:
    """Return the wishes of a run, spread over so many seconds; every fault occurs if they are enough."""
    kinds = [(faults, random.choice((*IMAGES, CHAT, VIDEO))) for faults in FAULTS]
    kinds += [(faults, random.choice((*IMAGES, CHAT))) for faults in SHORT_ONLY]
    kinds += [("", model) for model in (*IMAGES, CHAT, VIDEO)]
    while len(kinds) < count:
        kinds.append((random.choice(FAULTS), random.choice((*IMAGES, CHAT, VIDEO))))
    random.shuffle(kinds)
    return [_wish(random, number, faults, model, within_s / count) for number, (faults, model) in enumerate(kinds)]


def number_in(prompt: str) -> int:
    """Return which wish a prompt belongs to."""
    found = _NUMBER.search(prompt)
    assert found is not None, prompt
    return int(found[1])


def _wish(random: Random, number: int, faults: str, model: str, mean_pause_s: float) -> Wish:
    prompt = f"The wish {number} of many"
    return Wish(
        number=number,
        model=model,
        faults=faults,
        prompt=f"{prompt} [sandbox: {faults}]" if faults else prompt,
        pause_s=min(random.expovariate(1 / mean_pause_s), 4 * mean_pause_s),
        twice=random.random() < 0.2,
        cancel_after_s=random.uniform(0, 2) if random.random() < 0.08 else None,
    )
