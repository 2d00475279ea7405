"""Progress: bars and durations in text, and a percentage that never decreases."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.events import Phase, Progress
from relay.core.progress import advance, parse_duration_s, parse_progress_bar, reported_eta

PERCENTS = st.none() | st.floats()
STEPS = st.none() | st.integers()


def progresses() -> st.SearchStrategy[Progress]:
    return st.builds(
        Progress,
        percent=PERCENTS,
        basis=st.sampled_from(["measured", "estimated"]),
        step=STEPS,
        steps=STEPS,
        label=st.none() | st.text(),
    )


def test_a_complete_bar_is_read() -> None:
    """Label, percentage, step, speed and time left of a tqdm bar."""
    bar = parse_progress_bar("Sampling:  10%|█         | 1/10 [00:05<00:45,  1.20it/s]")

    assert bar == Progress(
        percent=10.0, step=1, steps=10, label="Sampling", speed=1.2, unit="it/s", eta=reported_eta(45.0)
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10%|█| 1/10", Progress(percent=10.0, step=1, steps=10)),
        ("0%|          | 0/10 [00:00<?, ?it/s]", Progress(percent=0.0, step=0, steps=10)),
        (
            "50%|#####     | 5/10 [00:10<00:10,  2.00s/it]",
            Progress(percent=50.0, step=5, steps=10, speed=0.5, unit="it/s", eta=reported_eta(10.0)),
        ),
        ("25%|██▌  | 1.5G/6.0G", Progress(percent=25.0)),
        ("45.5%|████ |", Progress(percent=45.5)),
        (
            "a: 10%|█ | 1/10\rb: 20%|██ | 2/10\r",
            Progress(percent=20.0, step=2, steps=10, label="b"),
        ),
        ("10%|█| 1/10\nconfidence 60%| high", Progress(percent=10.0, step=1, steps=10)),
        ("done\n\x1b[Ainner: 30%|███| 3/10", Progress(percent=30.0, step=3, steps=10, label="inner")),
    ],
)
def test_every_variant_of_a_bar_is_read_and_the_last_one_wins(text: str, expected: Progress) -> None:
    """Short bars, unknown rates, slow rates, scaled units, carriage returns and cursor codes."""
    assert parse_progress_bar(text) == expected


@pytest.mark.parametrize("text", ["", "60%", "accuracy 60% | loss 3", "60%|", "step 3/10", "%|bar| 1/2"])
def test_a_percentage_in_other_text_is_not_progress(text: str) -> None:
    """Models write percentages of many things. Only tqdm bars count."""
    assert parse_progress_bar(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3s", 3.0),
        ("1m 5s", 65.0),
        ("1m5s", 65.0),
        ("2h 3m", 7380.0),
        ("1.5s", 1.5),
        ("250ms", 0.25),
        ("00:45", 45.0),
        ("1:02:03", 3723.0),
        ("7", 7.0),
        ("", None),
        ("?", None),
        ("soon", None),
        ("3s?", None),
        ("NaN", None),
    ],
)
def test_durations_are_read_in_every_format(text: str, expected: float | None) -> None:
    """Words, clocks and seconds; null for anything else."""
    assert parse_duration_s(text) == expected


def test_a_new_phase_keeps_the_percentage_and_replaces_the_rest() -> None:
    """If a phase restarts at 0, only the percentage stays."""
    before = Progress(percent=80.0, basis="estimated", step=8, steps=10, label="Encode", speed=2.0, unit="it/s")

    after = advance(before, Progress(percent=0.0, step=0, steps=5, label="Decode"))

    phase = Phase(index=0, label="Decode", percent=0.0)
    assert after == Progress(percent=80.0, basis="estimated", step=0, steps=5, label="Decode", phase=phase)


@pytest.mark.parametrize(
    ("new", "percent"),
    [
        (Progress(percent=150.0), 40.0),
        (Progress(percent=math.inf), 40.0),
        (Progress(percent=150.0, step=3, steps=4), 75.0),
        (Progress(step=5, steps=4), 40.0),
        (Progress(step=5, steps=0), 40.0),
        (Progress(percent=-5.0), 40.0),
        (Progress(percent=math.nan), 40.0),
        (Progress(percent=None), 40.0),
        (Progress(step=3, steps=4), 75.0),
        (Progress(step=3, steps=0), 40.0),
        (Progress(percent=55.5, step=1, steps=100), 55.5),
    ],
)
def test_an_impossible_percentage_is_ignored(new: Progress, percent: float) -> None:
    """It is computed from the step if possible, else it stays as it was."""
    assert advance(Progress(percent=40.0), new).percent == percent


@given(st.lists(progresses(), max_size=8))
def test_the_percentage_never_decreases_nor_leaves_its_range(news: list[Progress]) -> None:
    """Whatever a platform reports."""
    shown: Progress | None = None
    for new in news:
        before = shown.percent if shown else None
        shown = advance(shown, new)
        assert shown.percent is None or 0 <= shown.percent <= 100
        assert before is None or (shown.percent is not None and shown.percent >= before)
        assert (shown.step, shown.steps, shown.label) == (new.step, new.steps, new.label)


@given(st.text() | st.text(alphabet="0123456789%|:/[]<,. its\r\n█", max_size=60))
def test_any_text_is_read_without_an_error(text: str) -> None:
    """The result is a bar or null, and a duration or null."""
    bar = parse_progress_bar(text)
    assert bar is None or bar.percent is not None
    duration = parse_duration_s(text)
    assert duration is None or duration >= 0


def test_a_phase_that_only_prepares_has_steps_but_no_percentage() -> None:
    """A loaded model has not produced anything yet. The percentage before it stays."""
    loaded = Progress(percent=100.0, step=3, steps=3, label="Loading checkpoint shards")
    shown = advance(None, loaded)
    assert (shown.percent, shown.step, shown.steps, shown.label) == (None, 3, 3, "Loading checkpoint shards")
    assert shown.phase == Phase(index=0, label="Loading checkpoint shards", percent=100.0)
    assert advance(Progress(percent=40.0), loaded).percent == 40.0
    assert advance(advance(None, loaded), Progress(percent=2.0, step=1, steps=50, label="Generate")).percent == 2.0


@pytest.mark.parametrize(
    ("label", "percent"), [("Generate 1/2", 25.0), ("Generate 2/2", 75.0), ("Generate 3/2", 50.0), ("Generate", 50.0)]
)
def test_one_of_several_parts_counts_for_its_share(label: str, percent: float) -> None:
    """The first of two images is half of the work."""
    assert advance(None, Progress(percent=50.0, label=label)).percent == percent


def phases(*news: Progress) -> list[tuple[int, str | None, float | None]]:
    """Return the phases that a viewer sees."""
    shown: Progress | None = None
    seen = []
    for new in news:
        shown = advance(shown, new)
        assert shown.phase is not None
        seen.append((shown.phase.index, shown.phase.label, shown.phase.percent))
    return seen


def test_another_label_starts_a_phase_whose_percentage_restarts() -> None:
    """The percentage of the task stays at 100."""
    sampled = Progress(percent=100.0, label="Sampling")
    upscaling = Progress(step=3, steps=10, label="Upscaling")
    assert phases(sampled, upscaling) == [(0, "Sampling", 100.0), (1, "Upscaling", 30.0)]
    assert advance(advance(None, sampled), upscaling).percent == 100.0


def test_a_phase_keeps_its_label_and_percentage_if_a_report_lacks_them() -> None:
    """Reports come without a label, in the wrong order, or with an impossible value."""
    news = [
        Progress(percent=5.0),
        Progress(percent=10.0, label="Generate"),
        Progress(percent=30.0),
        Progress(percent=20.0, label="Generate"),
        Progress(percent=150.0, label="Generate"),
    ]
    assert phases(*news) == [
        (0, None, 5.0),
        (0, "Generate", 10.0),
        (0, "Generate", 30.0),
        (0, "Generate", 30.0),
        (0, "Generate", 30.0),
    ]


def test_a_complete_phase_that_restarts_is_the_next_one() -> None:
    """The second image has the same label. A report that is only late is not a new phase."""
    whole, late, again = (Progress(percent=percent, label="Generate") for percent in (100.0, 90.0, 0.0))
    assert phases(whole, late, again) == [(0, "Generate", 100.0), (0, "Generate", 100.0), (1, "Generate", 0.0)]


@given(st.lists(progresses(), max_size=8))
def test_phases_only_advance_and_stay_in_range(news: list[Progress]) -> None:
    """Whatever a platform reports."""
    seen = phases(*news)
    assert [index for index, _, _ in seen] == sorted(index for index, _, _ in seen)
    assert all(percent is None or 0 <= percent <= 100 for _, _, percent in seen)
