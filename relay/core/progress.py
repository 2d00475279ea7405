"""
Progress: how it is read from text, and how reports are combined so that the percentage never decreases.

Platforms restart the percentage with every phase, report it as text, or leave it out. Viewers see one number that only
grows. The step, the label and the speed are those of the current phase.
"""

import re
from dataclasses import replace

from relay.core.events import Eta, Phase, Progress

_PERCENT = re.compile(r"(?<![\d.])(\d{1,3}(?:\.\d{1,4})?)$")
_AFTER_PERCENT = re.compile(
    r"\|[^|\r\n]{0,400}\|"  # the bar
    r"(?: {0,8}(?P<step>\d{1,15})/(?P<steps>\d{1,15})(?![\d.kMGTP])"
    r"(?: {0,8}\[(?P<elapsed>[\d:]{1,12})<(?P<left>[\d:]{1,12}|\?)"
    r"(?:, {0,16}(?P<speed>\d{1,12}(?:\.\d{1,12})?|\?)(?P<unit>[^\s\],]{1,20}))?)?)?"
)
_CLOCK = re.compile(r"\d{1,9}(?::[0-5]?\d){1,2}")
_UNIT_S = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "min": 60.0, "s": 1.0, "sec": 1.0, "ms": 0.001}
_UNITS = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?(ms|min|sec|[dhms])(?![a-z])\s*", re.IGNORECASE)
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

_PREPARATION = re.compile(
    r"\s*(load|fetch|download|prepar|initiali|warm|compil|import|install|resolv|setting up|extract)", re.IGNORECASE
)
"""How labels of phases before the actual work begin. A model that has loaded has not produced anything yet."""

_PART = re.compile(r"(?<![\d/])(\d{1,3})/(\d{1,3})$")
"""How the label of a phase ends that is one of several, as `Generate 1/2`: its end is not the end of the task."""

LABEL_CHARS = 200

_COMPLETE = 100.0
_STARTS_OVER = 50.0
"""A complete phase that falls below this has restarted; above it, the frame is late."""


def parse_progress_bar(text: str) -> Progress | None:
    """
    Read the last tqdm progress bar in `text`; null if there is none.

    A bar looks like `Label:  10%|█ | 1/10 [00:05<00:45,  1.20it/s]`. A percentage without the bar is not progress:
    models write percentages of many things.
    """
    at = text.rfind("%|")
    while at >= 0:
        percent = _PERCENT.search(text, max(0, at - 8), at)
        bar = _AFTER_PERCENT.match(text, at + 1)
        if percent and bar:
            speed, unit = _per_second(bar["speed"], bar["unit"])
            left_s = parse_duration_s(bar["left"] or "")
            return Progress(
                percent=float(percent[1]),
                step=int(bar["step"]) if bar["step"] else None,
                steps=int(bar["steps"]) if bar["steps"] else None,
                label=_label(text, percent.start()),
                speed=speed,
                unit=unit,
                eta=None if left_s is None else reported_eta(left_s),
            )
        at = text.rfind("%|", 0, at)
    return None


def parse_duration_s(text: str) -> float | None:
    """Read a duration as `3s`, `1m 5s`, `00:45`, `1:02:03` or a number of seconds; null if it is none of these."""
    text = text.strip()
    if _CLOCK.fullmatch(text):
        total = 0.0
        for part in text.split(":"):
            total = total * 60 + int(part)
        return total
    if re.fullmatch(r"\d{1,9}(?:\.\d{1,9})?", text):
        return float(text)
    total, at = 0.0, 0
    while part_of := _UNITS.match(text, at):
        total += float(part_of[1]) * _UNIT_S[part_of[2].lower()]
        at = part_of.end()
    return total if text and at == len(text) else None


def reported_eta(left_s: float) -> Eta:
    """Return the time left as the platform reported it: a range without width."""
    return Eta(low_s=left_s, high_s=left_s, n=None, basis="upstream")


def advance(previous: Progress | None, new: Progress) -> Progress:
    """
    Combine a report with the progress before it.

    The percentage is the highest so far, within 0 and 100, with its basis. If `new` has none, it is computed from the
    step. A phase that only prepares (according to its label) has steps but no percentage, or a loaded model would show
    100 for the whole run. One of several parts (`Generate 1/2`) counts for its share. All other fields are those of
    `new`.
    """
    before = previous.percent if previous else None
    reported = _percent(new)
    percent = None if _PREPARATION.match(new.label or "") else reported
    if percent is not None and (part := _PART.search(new.label or "")) and 0 < int(part[1]) <= int(part[2]):
        percent = (100 * (int(part[1]) - 1) + percent) / int(part[2])
    new = replace(new, phase=_phase(previous.phase if previous else None, new.label, reported))
    if before is not None and (percent is None or percent < before):
        return replace(new, percent=before, basis=previous.basis if previous else new.basis)
    return replace(new, percent=percent)


def _phase(before: Phase | None, label: str | None, percent: float | None) -> Phase:
    """
    Return the current phase. Another label starts a new one, and so does a complete phase that restarts.

    Within a phase the percentage does not decrease, because frames can arrive in the wrong order.
    """
    if before is None:
        return Phase(index=0, label=label, percent=percent)
    renamed = label is not None and before.label is not None and label != before.label
    if renamed or (before.percent == _COMPLETE and percent is not None and percent < _STARTS_OVER):
        return Phase(index=before.index + 1, label=label or before.label, percent=percent)
    shown = max((each for each in (before.percent, percent) if each is not None), default=None)
    return Phase(index=before.index, label=before.label or label, percent=shown)


def _percent(progress: Progress) -> float | None:
    """Return the reported percentage, or that of the step; null if it is not within 0 and 100 (150, NaN)."""
    step, steps = progress.step, progress.steps
    computed = None if step is None or not steps else 100 * (step / steps)
    return next((each for each in (progress.percent, computed) if each is not None and 0 <= each <= _COMPLETE), None)


def _label(text: str, end: int) -> str | None:
    """Return the text before the bar on its line. A carriage return starts a new line, as on a terminal."""
    line = max(text.rfind("\n", 0, end), text.rfind("\r", 0, end)) + 1
    label = _ANSI.sub("", text[max(line, end - LABEL_CHARS) : end]).strip().removesuffix(":").rstrip()
    return label or None


def _per_second(speed: str | None, unit: str | None) -> tuple[float | None, str | None]:
    """Convert `s/it`, which tqdm writes for less than one per second, to `it/s`."""
    if speed is None or unit is None or speed == "?":
        return None, None
    value = float(speed)
    if unit.startswith("s/"):
        return (1 / value, f"{unit[2:]}/s") if value else (None, None)
    return value, unit
