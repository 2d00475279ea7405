"""Silence: noticed, looked into, told; ended by news, and given up in the end with what was known."""

from typing import TYPE_CHECKING, Any

import pytest

from relay.core import lifecycle
from relay.core.events import Stall

if TYPE_CHECKING:
    from tests.stories.platform.conftest import MakeStand, Stand, Story, Ward


async def stalled(stand: "Stand", ward: "Ward") -> Stall:
    """Wait until both viewers see the task stalled; return what they were told."""
    states = [await viewer.until(lambda state: state.stall is not None) for viewer in ward.viewers]
    assert states[0].stall is not None
    assert states[0].stall == states[1].stall
    return states[0].stall


def check_stalls(story: "Story") -> None:
    """See that every stall has its end: news, or `done`."""
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
        ({"detail_http": "429"}, "reading the record failed: Wiro asks us to slow down"),
        ({"detail_http": "drop"}, "reading the record failed: The connection to Wiro broke"),
    ],
)
async def test_silence_is_looked_into_and_told_and_news_end_it(
    make_stand: "MakeStand", switches: dict[str, Any], found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`stall` says what the look found; with the next news comes `stall_end`, and the story goes on as ever."""
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
    """Wait until the record was read three times more."""
    for _ in range(3):
        read = ward.truth.details_read
        await stand.look_now(ward.id)
        await ward.truth.until(lambda task, read=read: task.details_read > read)  # type: ignore[misc]


async def test_a_silent_run_stalls_once(make_stand: "MakeStand") -> None:
    """Asked again and again, the same answer is told once: a stall is a state, no alarm clock."""
    async with make_stand(silence_s=0.1) as stand:
        ward = await stand.begin(hold_at="task_start")
        stand.sandbox.release(ward.truth.id)
        assert (await stalled(stand, ward)).confirmed
        await looked_at_three_times(stand, ward)
        stand.sandbox.release(ward.truth.id)
        story = await stand.ended(ward)

    check_stalls(story)


async def test_a_task_that_waits_in_the_platforms_queue_is_queued_and_not_stalled(make_stand: "MakeStand") -> None:
    """However long: the platform says that it waits."""
    async with make_stand(silence_s=0.01) as stand:
        ward = await stand.begin(hold_at="task_queue")
        await looked_at_three_times(stand, ward)
        stand.sandbox.release(ward.truth.id)
        story = await stand.ended(ward)

    states = [event.state for event in story.log if event.type == "stall"]
    assert "queued" not in states


@pytest.mark.parametrize("dialect", ["gen0", "gen1", "gen2"])
async def test_an_error_that_is_put_right_is_a_stall_and_no_failure(make_stand: "MakeStand", dialect: str) -> None:
    """The status is `task_error`, then the task is queued again: no stage twice, and the verdict is the last one."""
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


async def test_an_error_is_a_stall_as_soon_as_it_is_read(stand: "Stand") -> None:
    """It need not be silent for long: the record has said that nothing moves."""
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
    """After its deadline nobody knows how it ended: it is called so, not failed, and nothing is stopped upstream."""
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


async def test_a_task_canceled_while_it_stalls_ends_canceled(make_stand: "MakeStand") -> None:
    """Also one that waits to be put right: it stands in the queue again, so Cancel is the call."""
    async with make_stand(silence_s=0.1) as stand:
        ward = await stand.begin(persisted_error="stays")
        stand.sandbox.release(ward.truth.id)
        await stalled(stand, ward)
        assert await stand.cancel(ward.id) == 202
        story = await stand.ended(ward)

    story.check_truth()
    assert story.end.state == "canceled"
    assert story.end.stall is None
