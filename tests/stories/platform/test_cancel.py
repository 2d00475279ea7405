"""Canceling a task: at every stage, by key or token, with the call that the platform requires."""

from typing import TYPE_CHECKING, Any

import pytest

from relay.core.events import Cancel, Stage

if TYPE_CHECKING:
    from tests.stories.platform.conftest import Stand, Story, Ward

STAGES = ("task_queue", "task_accept", "task_assign", "task_start", "task_output", "task_end", "task_postprocess_start")


async def at_stage(stand: "Stand", stage: str, **switches: Any) -> "Ward":
    """Start a task that stops at a stage, and wait until its viewers see the stage."""
    ward = await stand.begin(hold_at="" if stage == "task_queue" else stage, **switches)
    if stage != "task_queue":
        stand.sandbox.release(ward.truth.id)
        await ward.truth.until(lambda task: task.holding_at == stage)
    if (name := stage.removeprefix("task_")) in set(Stage):
        for viewer in ward.viewers:
            await viewer.until(lambda state: any(mark.type == name for mark in state.stages))
    return ward


def check_canceled(story: "Story", by: str) -> None:
    """Check that the platform stopped the task, and that one `cancel` event comes before `done`."""
    story.check_truth()
    assert story.truth is not None
    assert story.truth.verdict == "canceled"
    assert story.end.done is not None
    assert not story.end.done.inferred
    (asked,) = story.of("cancel")
    assert asked.data == Cancel(by=by)
    assert asked.seq < story.log[-1].seq


@pytest.mark.parametrize("by", ["key", "viewer"])
@pytest.mark.parametrize("stage", STAGES)
async def test_a_task_is_stopped_at_every_stage(stand: "Stand", stage: str, by: str) -> None:
    """In the queue, between accept and assign, running, finishing: `cancel`, then `done` when the platform confirms."""
    ward = await at_stage(stand, stage)
    token = await stand.mint(ward.id, "view cancel") if by == "viewer" else None
    assert await stand.cancel(ward.id, token) == 202
    story = await stand.ended(ward)

    check_canceled(story, by)
    assert ward.truth.stops_asked == 1
    started = any(name == "task_start" for name, _ in ward.truth.passed)
    assert story.end.done is not None
    assert story.end.done.billed == (None if started else False)


@pytest.mark.parametrize("stage", ["task_queue", "task_accept", "task_start"])
@pytest.mark.parametrize(
    "switches",
    [
        {"cancel_by": "taskid"},
        {"cancel_by": "tasktoken"},
        {"cancel_by": "both"},
        {"stop_gap": "cancel"},
        {"stop_gap": "kill"},
        {"dialect": "gen0"},
        {"dialect": "gen2"},
        {"silent": True},
        {"detail_lag_polls": 3},
        {"stop_http": "500*1"},
        {"stop_http": "drop*1"},
        {"stop_http": "200:truncated*1"},
    ],
    ids=lambda switches: " ".join(f"{name}={value}" for name, value in switches.items()),
)
async def test_a_task_is_stopped_with_either_call_and_parameter(
    stand: "Stand", stage: str, switches: dict[str, Any]
) -> None:
    """Even if an answer is lost: the platform is asked again, and there is one event."""
    ward = await stand.begin(hold_at="" if stage == "task_queue" else stage, **switches)
    if stage != "task_queue":
        stand.sandbox.release(ward.truth.id)
        await ward.truth.until(lambda task: task.holding_at == stage)
    status = await stand.cancel(ward.id)
    if ward.truth.verdict is None:
        assert status == 502
        status = await stand.cancel(ward.id)
    assert status in (202, 502)
    check_canceled(await stand.ended(ward), "key")


async def test_a_task_that_the_platform_does_not_stop_goes_on(stand: "Stand") -> None:
    """The client gets both reasons, the `cancel` event stays in the log, and the task ends normally."""
    ward = await at_stage(stand, "task_accept", stop_gap="neither")
    assert await stand.cancel(ward.id) == 502
    stand.sandbox.release(ward.truth.id)
    story = await stand.ended(ward)

    story.check_truth()
    assert story.end.done is not None
    assert story.end.done.verdict == "succeeded"
    assert len(story.of("cancel")) == 1


async def test_done_comes_only_when_the_platform_confirms(stand: "Stand") -> None:
    """A cancel that was refused at first does not make the task canceled."""
    ward = await at_stage(stand, "task_start", kill_error="try later")
    assert await stand.cancel(ward.id) == 502
    for viewer in ward.viewers:
        state = await viewer.until(lambda state: state.cancel is not None)
        assert state.done is None
    stand.sandbox.release(ward.truth.id)
    story = await stand.ended(ward)

    story.check_truth()
    assert story.end.state == "succeeded"


@pytest.mark.parametrize("stage", ["task_queue", "task_start"])
async def test_canceling_twice_has_one_event(stand: "Stand", stage: str) -> None:
    """The platform is asked twice; the task is already stopped or stopping."""
    ward = await at_stage(stand, stage, detail_lag_polls=2, silent=stage == "task_queue")
    token = await stand.mint(ward.id, "view cancel")
    first = await stand.cancel(ward.id, token)
    second = await stand.cancel(ward.id)
    assert first == 202
    assert second in (202, 409, 502)
    check_canceled(await stand.ended(ward), "viewer")
    assert ward.truth.stops_asked == 1
    assert await stand.cancel(ward.id) == 409


async def test_a_token_without_the_scope_cancels_nothing(stand: "Stand") -> None:
    """A token to view is not a token to cancel."""
    ward = await at_stage(stand, "task_start")
    assert await stand.cancel(ward.id, ward.token) == 403
    stand.sandbox.release(ward.truth.id)
    story = await stand.ended(ward)

    story.check_truth()
    assert story.of("cancel") == []


async def test_viewers_that_disconnect_cancel_nothing(stand: "Stand") -> None:
    """The task is followed to its end without viewers, and later viewers see all of it."""
    ward = await at_stage(stand, "task_start")
    for viewer in ward.viewers:
        await viewer.leave()
    stand.sandbox.release(ward.truth.id)
    await ward.truth.until(lambda task: task.verdict)
    late = stand.viewer(ward.id, ward.token, "ws")
    end = await late.to_the_end()
    story = await stand.read(ward.id, ward.truth)

    assert story.end == end
    story.check_truth()
    story.check_logs()
    assert ward.truth.stops_asked == 0
    assert story.of("cancel") == []


async def test_a_task_that_ends_while_it_is_being_stopped_keeps_its_verdict(stand: "Stand") -> None:
    """The platform refuses the cancel."""
    ward = await at_stage(stand, "task_postprocess_start", no_terminal=True)
    stand.sandbox.release(ward.truth.id)
    await ward.truth.until(lambda task: task.verdict)
    assert await stand.cancel(ward.id) in (409, 502)
    story = await stand.ended(ward)

    story.check_truth()
    assert story.end.state == "succeeded"
