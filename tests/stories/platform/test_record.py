"""Variants of the record: whatever is missing or in another form, the verdict follows the rules and has evidence."""

from typing import TYPE_CHECKING, Any

import pytest

from relay.core.events import Source, Stage

if TYPE_CHECKING:
    from tests.stories.platform.conftest import Stand, Story


async def silent_story(stand: "Stand", **switches: Any) -> "Story":
    """Run a task without frames, and return its story from the record."""
    ward = await stand.begin(silent=True, **switches)
    stand.sandbox.release(ward.truth.id)
    await ward.truth.until(lambda task: task.verdict)
    await stand.look_now(ward.id)
    return await stand.ended(ward)


@pytest.mark.parametrize(
    "switches",
    [
        {"timestamps": "s"},
        {"timestamps": "ms"},
        {"timestamps": "date"},
        {"parameters_json": True},
        {"aliases": True},
        {"outputs": "holes"},
        {"outputs": "json"},
        {"outputs": "json", "aliases": True, "timestamps": "date", "dialect": "gen2"},
    ],
    ids=lambda switches: " ".join(f"{name}={value}" for name, value in switches.items()),
)
@pytest.mark.parametrize("live", [True, False], ids=["with frames", "without frames"])
async def test_variants_of_the_record_do_not_change_the_story(
    stand: "Stand", switches: dict[str, Any], live: bool
) -> None:
    """Numbers, times, lists and names in any form: stages, outputs and verdict are the same."""
    story = await (stand.story(**switches) if live else silent_story(stand, **switches))

    story.check_truth()
    story.check_logs()
    assert story.truth is not None
    for mark, (name, at) in zip(story.end.stages, story.truth.passed, strict=True):
        assert f"task_{mark.type}" == name
        assert abs(mark.at - at) < 5


@pytest.mark.parametrize("shape", ["null", "empty"])
async def test_results_that_only_the_frame_had_are_kept(stand: "Stand", shape: str) -> None:
    """The record lacks them, but viewers have seen them."""
    (await stand.story(outputs=shape)).check_truth()


@pytest.mark.parametrize(
    ("switches", "verdict", "inferred", "evidence"),
    [
        ({"dialect": "gen1"}, "succeeded", True, "outputs: 1"),
        ({"dialect": "gen1", "exit": 1}, "failed", True, "outputs: 0"),
        ({"dialect": "gen2"}, "succeeded", False, "frame: success True, exit code 0"),
        ({"dialect": "gen2", "exit": 3}, "failed", False, "frame: success False, exit code 3"),
        ({"dialect": "gen2", "verdict_fields": "none"}, "succeeded", True, "outputs: 1"),
        ({"dialect": "gen1", "outputs": "null"}, "succeeded", True, "outputs: 1"),
    ],
)
async def test_without_an_exit_code_the_verdict_says_that_it_is_inferred(
    stand: "Stand", switches: dict[str, Any], verdict: str, inferred: bool, evidence: str
) -> None:
    """A frame with an explicit result is as good as the record; from outputs it is only inferred."""
    story = await stand.story(pexit_missing=True, **switches)

    story.check_truth()
    done = story.end.done
    assert done is not None
    assert (done.verdict, done.inferred) == (verdict, inferred)
    assert evidence in done.evidence


@pytest.mark.parametrize(
    ("switches", "verdict", "inferred"),
    [
        ({"pexit_missing": True}, "succeeded", True),
        ({"pexit_missing": True, "outputs": "null"}, "failed", True),
        ({"outputs": "null"}, "succeeded", False),
        ({"exit": 1}, "failed", False),
    ],
)
async def test_a_verdict_from_the_record_alone(
    stand: "Stand", switches: dict[str, Any], verdict: str, inferred: bool
) -> None:
    """Without exit code and outputs, it is read again, and then reported as failed, inferred."""
    story = await silent_story(stand, **switches)

    done = story.end.done
    assert done is not None
    assert (done.verdict, done.inferred) == (verdict, inferred)
    assert story.truth is not None
    assert Stage.POSTPROCESS_END in story.sources
    if verdict == "failed" and inferred:
        assert story.truth.details_since_end > 1


async def test_without_stage_times_in_the_record_stages_come_from_frames(stand: "Stand") -> None:
    """The record has only start and end; every stage comes live."""
    story = await stand.story(stage_clock=False)

    story.check_truth()
    assert set(story.sources.values()) == {Source.LIVE}


@pytest.mark.parametrize("reason", ["length", "content_filter", "error"])
async def test_an_answer_that_did_not_finish_is_a_success_with_a_warning(stand: "Stand", reason: str) -> None:
    """The model's exit code is 0."""
    story = await stand.story(model="wiro/sandbox-chat", dialect="gen2", finish_reason=reason)

    assert story.end.done is not None
    assert story.end.done.verdict == "succeeded"
    assert len(story.end.done.warnings) == 1
