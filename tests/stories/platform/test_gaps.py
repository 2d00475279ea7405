"""Frames that come twice, late or not at all: the record fills the gaps, and nothing is repeated."""

from typing import TYPE_CHECKING, Any

import pytest

from relay.core.events import Source, Stage
from relay.tasks import stream

if TYPE_CHECKING:
    from tests.stories.platform.conftest import Stand

CODES = (1000, 1001, 1006, 1011)


@pytest.mark.parametrize("dialect", ["gen0", "gen1", "gen2"])
@pytest.mark.parametrize(
    "switches",
    [{"duplicate_every": 1}, {"reorder_every": 2}, {"duplicate_every": 2, "reorder_every": 3}],
    ids=["duplicates", "reordered", "both"],
)
async def test_duplicate_and_reordered_frames_do_not_change_the_story(
    stand: "Stand", dialect: str, switches: dict[str, Any]
) -> None:
    """Every stage is there once, in order; progress does not go back."""
    story = await stand.story(dialect=dialect, stderr_lines=0, **switches)

    story.check_truth()
    assert [mark.type for mark in story.end.stages] == list(Stage)


async def test_a_frame_after_the_terminal_one_comes_before_done(stand: "Stand") -> None:
    """A late log line: nothing follows `done` (checked for every story)."""
    (await stand.story(straggler=True)).check_truth()


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("stage", ["task_queue", "task_accept", "task_assign", "task_start", "task_end"])
async def test_a_closed_socket_is_opened_again_and_nothing_is_missed(stand: "Stand", stage: str, code: int) -> None:
    """The platform waits for the relay: every line is there once, and earlier ones came live."""
    ward = await stand.begin(early_close=f"{stage}:{code}", hold_at="" if stage == "task_queue" else stage)
    if stage != "task_queue":
        stand.sandbox.release(ward.truth.id)
        await ward.truth.until(lambda task: task.holding_at == stage)
        await ward.truth.until(lambda task: task.early_closed and stand.sandbox.subscribers(task.id))
    await stand.release_at(ward.truth, stage)
    story = await stand.ended(ward)

    story.check_truth()
    story.check_logs()


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("stage", ["task_accept", "task_start", "task_output", "task_postprocess_start"])
async def test_what_was_missed_while_the_socket_was_closed_is_filled_in(
    stand: "Stand", stage: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stages and lines come from the record, marked as such, with their true times."""
    monkeypatch.setattr(stream, "full_jitter", lambda _failures, **_asked: 3600.0)
    ward = await stand.begin(early_close=f"{stage}:{code}")
    stand.sandbox.release(ward.truth.id)
    await ward.truth.until(lambda task: task.verdict)
    await stand.look_now(ward.id)
    story = await stand.ended(ward)

    story.check_truth()
    story.check_logs()
    assert story.truth is not None
    order = [name for name, _ in story.truth.passed]
    live_until = order.index("task_start" if stage == "task_output" else stage)
    for mark in story.end.stages:
        if (number := order.index(f"task_{mark.type}")) > live_until:
            assert mark.source is not Source.LIVE
            assert abs(mark.at - story.truth.passed[number][1]) <= 1  # the platform counts whole seconds
        elif number:
            assert mark.source is Source.LIVE


async def test_a_terminal_frame_counts_if_the_socket_closes_right_after_it(stand: "Stand") -> None:
    """The record confirms the end."""
    story = await stand.story(early_close="task_postprocess_end:1000")

    story.check_truth()
    story.check_logs()


@pytest.mark.parametrize("exit_code", [0, 1])
@pytest.mark.parametrize("switches", [{}, {"stage_clock": False}], ids=["clock", "no clock"])
async def test_a_silent_socket_makes_the_relay_read_the_record(
    stand: "Stand", switches: dict[str, Any], exit_code: int
) -> None:
    """Without any frame, the record has the end, and everything from it is marked as reconciled."""
    ward = await stand.begin(exit=exit_code, hold_at="task_postprocess_end", silent=True, **switches)
    stand.sandbox.release(ward.truth.id)
    await ward.truth.until(lambda task: task.verdict)
    await stand.look_now(ward.id)
    story = await stand.ended(ward)

    assert story.end.done is not None
    assert story.end.done.verdict == ("failed" if exit_code else "succeeded")
    assert not story.end.done.inferred
    assert set(story.sources.values()) <= {Source.RECONCILED, Source.CALLBACK}
    assert set(story.sources) >= {Stage.START, Stage.END, Stage.POSTPROCESS_END}
    story.check_logs()
    if not switches:
        story.check_truth()


async def test_without_a_terminal_frame_the_record_has_the_end(stand: "Stand") -> None:
    """Everything else came live; the last stage is reconciled."""
    ward = await stand.begin(no_terminal=True)
    stand.sandbox.release(ward.truth.id)
    for viewer in ward.viewers:
        await viewer.until(lambda state: any(mark.type is Stage.POSTPROCESS_START for mark in state.stages))
    await ward.truth.until(lambda task: task.verdict)
    await stand.look_now(ward.id)
    story = await stand.ended(ward)

    story.check_truth()
    story.check_logs()
    assert story.sources[Stage.POSTPROCESS_START] is Source.LIVE
    assert story.sources[Stage.POSTPROCESS_END] is not Source.LIVE


@pytest.mark.parametrize("exit_code", [0, 1])
@pytest.mark.parametrize("switches", [{"detail_lag_polls": 4}, {"detail_lag_s": 0.2}], ids=["polls", "seconds"])
@pytest.mark.parametrize("dialect", ["gen0", "gen1", "gen2"])
async def test_done_waits_for_a_record_that_lags_behind_the_socket(
    stand: "Stand", dialect: str, switches: dict[str, Any], exit_code: int
) -> None:
    """Results are shown at once; `done` comes when the record has the exit code."""
    story = await stand.story(dialect=dialect, exit=exit_code, **switches)

    story.check_truth()
    story.check_logs()
    assert story.end.done is not None
    assert (story.end.done.exit_code, story.end.done.inferred) == (exit_code, False)


@pytest.mark.parametrize("count", [1, 3])
async def test_a_record_that_does_not_exist_yet_is_not_an_end(stand: "Stand", count: int) -> None:
    """Right after a run, the list may be empty."""
    story = await stand.story(detail_empty_polls=count)

    story.check_truth()
    story.check_logs()
