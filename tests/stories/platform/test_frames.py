"""The socket's dialects, shapes and faults: whatever a frame looks like, viewers see one consistent log."""

from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from relay.core.events import Source, Stage
from relay.sandbox import Faults, Sandbox

if TYPE_CHECKING:
    from tests.stories.platform.conftest import MakeStand, Stand, Story

CHAT = "wiro/sandbox-chat"
DIALECTS = ("gen0", "gen1", "gen2")


def check_live(story: "Story") -> None:
    """Check that the story is the platform's, and that every stage came live."""
    story.check_truth()
    sources = story.sources
    sources.pop(Stage.QUEUE)  # the first look may be faster than its frame
    if not story.end.outputs:  # an empty list may be filled in by the record, so that is waited for
        assert sources.pop(Stage.POSTPROCESS_END) is Source.RECONCILED
    assert set(sources.values()) == {Source.LIVE}


@pytest.mark.parametrize("exit_code", [0, 1])
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_each_dialect_is_understood_completely(stand: "Stand", dialect: str, exit_code: int) -> None:
    """All stages come live, the log is complete, results come before the end, and the record has the verdict."""
    story = await stand.story(dialect=dialect, exit=exit_code)

    check_live(story)
    story.check_logs()
    done = story.end.done
    assert done is not None
    assert (done.exit_code, done.inferred, done.billed) == (exit_code, False, exit_code == 0)
    assert (done.error is None) == (exit_code == 0)
    assert story.log[-2].type == "postprocess_end"


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_each_dialect_streams_an_answer(stand: "Stand", dialect: str) -> None:
    """Thoughts and answer are as on the platform, and not repeated as log lines."""
    story = await stand.story(model=CHAT, dialect=dialect, stderr_lines=0)

    check_live(story)
    assert story.truth is not None
    seen = [(segment.kind, segment.text) for segment in story.end.segments]
    assert seen == [(segment.type, segment.text) for segment in story.truth.record.segments]
    assert story.end.outputs[0].content is not None
    assert story.text("stdout") == ""


@pytest.mark.parametrize(
    "switches",
    [
        {"tasktoken_missing": True},
        {"tasktoken_missing": True, "result_missing": True, "dialect": "gen2"},
        {"result_missing": True},
        {"ack": True},
        {"null_message": "null"},
        {"null_message": "empty"},
        {"null_message": "absent"},
        {"message_json_string": True},
        {"message_json_string": True, "dialect": "gen2"},
        {"verdict_fields": "terminal", "dialect": "gen2"},
        {"verdict_fields": "none", "dialect": "gen2"},
        {"preprocess_skipped": True},
        {"preprocess_skipped": True, "stage_order": "old"},
        {"stage_order": "old"},
        {"stage_order": "new", "dialect": "gen0"},
    ],
    ids=lambda switches: " ".join(f"{name}={value}" for name, value in switches.items()),
)
async def test_variants_of_frames_do_not_change_the_story(stand: "Stand", switches: dict[str, Any]) -> None:
    """Fields may be missing, wrapped or in another order."""
    story = await stand.story(**switches)

    check_live(story)
    story.check_logs()


@pytest.mark.parametrize("welcome", [True, False])
async def test_a_greeting_is_ignored(standing: "MakeStand", welcome: bool) -> None:
    """With and without it."""
    async with Sandbox(speed=200, faults=Faults(welcome=welcome)) as sandbox, standing(sandbox) as stand:
        check_live(await stand.story())


async def test_the_log_keeps_the_order_of_stages_and_the_snapshot_sorts_them(stand: "Stand") -> None:
    """A task may be assigned before it was prepared."""
    story = await stand.story(stage_order="old")

    seen = [event.type for event in story.log]
    assert seen.index("assign") < seen.index("preprocess_start")
    assert [mark.type for mark in story.end.stages] == list(Stage)


async def test_a_percent_never_goes_back_when_a_phase_begins(stand: "Stand") -> None:
    """The label changes and the step restarts; the percent stays (checked for every story)."""
    ward = await stand.begin(model="bytedance/image-to-video-seedance-v1")
    stand.sandbox.release(ward.truth.id)
    story = await stand.ended(ward)

    check_live(story)
    labels = {str(event.data.progress.label) for event in story.of("output") if hasattr(event.data, "progress")}
    assert "Encode" in labels
    assert story.percents[-1] == 100


@pytest.mark.parametrize("percentages", ["100|0|NaN||>100", "NaN", "|", "-5|250|1e999", "100|0"])
async def test_an_invalid_percentage_never_moves_progress_back(stand: "Stand", percentages: str) -> None:
    """It is left out or limited to 0 to 100; the step is kept."""
    story = await stand.story(percentages=percentages)

    check_live(story)
    assert story.end.progress is not None
    assert story.end.progress.steps is not None


async def test_bars_of_text_are_progress_and_stay_in_the_log(stand: "Stand") -> None:
    """tqdm's lines with carriage returns give a percent, and stay in the log unchanged."""
    story = await stand.story(tqdm=True)

    check_live(story)
    story.check_logs()
    assert story.percents[-1] == 100
    assert "\r" in story.text("stdout")


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_output_on_stderr_is_not_a_failure(stand: "Stand", dialect: str) -> None:
    """Every line is in the log once, and the task succeeds."""
    story = await stand.story(stderr_lines=40, dialect=dialect)

    check_live(story)
    story.check_logs()
    assert story.text("stderr").count("\n") == 40


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("not_json", "not JSON"),
        ("array", "not an object"),
        ("binary", "binary"),
        ("unknown_type", "unknown type"),
        ("agent", None),
        ("realtime", None),
        ("foreign", None),
        ("foreign_log", None),
    ],
)
async def test_an_invalid_frame_is_skipped_and_logged_once_without_its_content(
    stand: "Stand", kind: str, reason: str | None
) -> None:
    """Three frames give one line with the reason and the task, and none of the content."""
    with capture_logs() as lines:
        story = await stand.story(odd_frames="|".join([kind] * 3))

    check_live(story)
    story.check_logs()
    skipped = [line for line in lines if line["event"] == "frame.skipped"]
    assert [line["reason"] for line in skipped] == ([] if reason is None else [reason])
    assert all(set(line) == {"event", "log_level", "reason", "upstream_id"} for line in skipped)


async def test_half_an_emoji_becomes_a_replacement_character(stand: "Stand") -> None:
    """The rest of the line is kept."""
    story = await stand.story(odd_frames="half_emoji")

    check_live(story)
    assert "half an emoji: \ufffd" in story.text("stdout")


async def test_a_frame_of_more_than_8_mib_is_logged_in_full(stand: "Stand") -> None:
    """The log has every character, in pieces; the snapshot has the end and the number of dropped characters."""
    story = await stand.story(odd_frames="huge", huge_bytes=8 * 2**20 + 1)

    check_live(story)
    assert story.text("stdout").count("x" * 1000) >= 8 * 2**20 // 1000
    assert story.end.log_dropped > 8 * 2**20 - 32_768


async def test_a_frame_of_more_than_16_mib_closes_the_socket_only(stand: "Stand") -> None:
    """The socket is opened again, and the record has what was missed."""
    ward = await stand.begin(odd_frames="huge", huge_bytes=16 * 2**20)
    stand.sandbox.release(ward.truth.id)
    story = await stand.ended(ward)

    story.check_truth()
    assert Source.RECONCILED in set(story.sources.values())


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_frames_of_other_tasks_are_ignored(stand: "Stand", dialect: str) -> None:
    """Two tasks run at once, with frames of other tasks on both sockets."""
    odd = "foreign_log|agent|foreign|foreign_log"
    wards = [await stand.begin(odd_frames=odd, stderr_lines=3, dialect=dialect) for _ in range(2)]
    for ward in wards:
        stand.sandbox.release(ward.truth.id)
    for ward in wards:
        story = await stand.ended(ward)
        check_live(story)
        story.check_logs()
