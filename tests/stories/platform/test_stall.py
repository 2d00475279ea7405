"""Silent tasks: a stall is reported after a check, ended by news, and the task is given up at its deadline."""

from typing import TYPE_CHECKING, Any

import pytest

from relay.core import lifecycle
from relay.core.events import Stall

if TYPE_CHECKING:
    from tests.stories.platform.conftest import MakeStand, Stand, Story, Ward


async def stalled(stand: "Stand", ward: "Ward") -> Stall:
    """Wait until both viewers see the stall, and return it."""
    states = [await viewer.until(lambda state: state.stall is not None) for viewer in ward.viewers]
    assert states[0].stall is not None
    assert states[0].stall == states[1].stall
    return states[0].stall


def check_stalls(story: "Story") -> None:
    """Check that every stall is ended by news or by `done`."""
    story.check_truth()
    story.check_logs()
    kinds = [event.type for event in story.log if event.type in ("stall", "stall_end", "done")]
    assert kinds == ["stall", "stall_end"] * (len(kinds) // 2) + ["done"]
    assert story.end.stall is None


@pytest.mark.parametrize(
    ("switches", "found"),
    [
        ({}, "status task_start"),
        ({"silent": True}, "status task_start"),
        ({"detail_empty_polls": 3}, "no record of the task yet"),
        ({"detail_http": "502:html"}, "reading the record failed: Wiro answered HTTP 502"),
        ({"detail_http": "429"}, "reading the record failed: Wiro is rate limiting calls"),
        ({"detail_http": "drop"}, "reading the record failed: The connection to Wiro broke"),
    ],
)
async def test_a_stall_is_reported_after_a_check_and_ended_by_news(
    make_stand: "MakeStand", switches: dict[str, Any], found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`stall` has the finding; with the next news comes `stall_end`, and the task continues."""
    monkeypatch.setattr(lifecycle, "SETTLE_S", 0.2)
    async with make_stand(silence_s=0.2) as stand:
        ward = await stand.begin(hold_at="task_start", **switches)
        stand.sandbox.release(ward.truth.id)
        await ward.truth.until(lambda task: task.holding_at == "task_start")
        stall = await stalled(stand, ward)
        stand.sandbox.release(ward.truth.id)
        if switches == {"silent": True}:
            await ward.truth.until(lambda task: task.verdict)
            await stand.look_now(ward.id)
        story = await stand.ended(ward)

    assert stall.checked.startswith(found)
    assert stall.silent_s >= 0.2
    check_stalls(story)


async def looked_at_three_times(stand: "Stand", ward: "Ward") -> None:
    """Wait until the record was read three more times."""
    for _ in range(3):
        read = ward.truth.details_read
        await stand.look_now(ward.id)
        await ward.truth.until(lambda task, read=read: task.details_read > read)  # type: ignore[misc]


async def test_a_silent_run_is_reported_once(make_stand: "MakeStand") -> None:
    """The same finding is reported once, however often the record is read: a stall is a state."""
    async with make_stand(silence_s=0.1) as stand:
        ward = await stand.begin(hold_at="task_start")
        stand.sandbox.release(ward.truth.id)
        assert (await stalled(stand, ward)).confirmed
        await looked_at_three_times(stand, ward)
        stand.sandbox.release(ward.truth.id)
        story = await stand.ended(ward)

    check_stalls(story)


async def test_a_task_in_the_platforms_queue_is_not_stalled(make_stand: "MakeStand") -> None:
    """However long it waits."""
    async with make_stand(silence_s=0.01) as stand:
        ward = await stand.begin(hold_at="task_queue")
        await looked_at_three_times(stand, ward)
        stand.sandbox.release(ward.truth.id)
        story = await stand.ended(ward)

    states = [event.state for event in story.log if event.type == "stall"]
    assert "queued" not in states


@pytest.mark.parametrize("dialect", ["gen0", "gen1", "gen2"])
async def test_a_recoverable_error_is_a_stall_and_not_a_failure(make_stand: "MakeStand", dialect: str) -> None:
    """After `task_error`, the task is queued again: no stage comes twice, and the last verdict counts."""
    async with make_stand(silence_s=0.2) as stand:
        ward = await stand.begin(persisted_error="recovers", hold_at="task_error", dialect=dialect)
        stand.sandbox.release(ward.truth.id)
        stall = await stalled(stand, ward)
        assert ward.truth.status == "task_error"
        stand.sandbox.release(ward.truth.id)
        story = await stand.ended(ward)

    assert stall.checked == "status task_error, a recoverable error"
    check_stalls(story)
    assert story.end.state == "succeeded"


async def test_an_error_in_the_record_is_a_stall_at_once(stand: "Stand") -> None:
    """Without a period of silence."""
    ward = await stand.begin(persisted_error="recovers", hold_at="task_error")
    stand.sandbox.release(ward.truth.id)
    await ward.truth.until(lambda task: task.holding_at == "task_error")
    await stand.look_now(ward.id)
    await stalled(stand, ward)
    stand.sandbox.release(ward.truth.id)
    check_stalls(await stand.ended(ward))


@pytest.mark.parametrize(
    "switches",
    [
        {"persisted_error": "stays"},
        {"hold_at": "task_start"},
        {"hold_at": "task_start", "silent": True},
        {"hold_at": "task_start", "detail_http": "500"},
    ],
    ids=lambda switches: " ".join(f"{name}={value}" for name, value in switches.items()),
)
async def test_a_task_without_an_end_is_lost_with_evidence(make_stand: "MakeStand", switches: dict[str, Any]) -> None:
    """After its deadline its end is unknown: it is lost and not failed, and the platform is not asked to stop it."""
    async with make_stand(silence_s=0.1, task_deadline_s=2.0) as stand:
        ward = await stand.begin(**switches)
        stand.sandbox.release(ward.truth.id)
        await stalled(stand, ward)
        story = await stand.ended(ward)

        done = story.end.done
        assert done is not None
        assert (done.verdict, done.inferred, done.billed) == ("lost", True, None)
        assert done.evidence[0].startswith("relay: the task did not end within")
        assert done.evidence[1].startswith("state: ")
        assert ward.truth.stops_asked == 0
        assert ward.truth.verdict is None


async def test_a_stalled_task_can_be_canceled(make_stand: "MakeStand") -> None:
    """Also one with a recoverable error: it is queued again, so the platform's Cancel call applies."""
    async with make_stand(silence_s=0.1) as stand:
        ward = await stand.begin(persisted_error="stays")
        stand.sandbox.release(ward.truth.id)
        await stalled(stand, ward)
        assert await stand.cancel(ward.id) == 202
        story = await stand.ended(ward)

    story.check_truth()
    assert story.end.state == "canceled"
    assert story.end.stall is None
