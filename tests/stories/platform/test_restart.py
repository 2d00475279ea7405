"""A relay that restarts in the middle of a task: the task is resumed, and viewers continue from their cursor."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from relay.core.events import Source, Stage
from relay.journal.lists import Filter
from relay.sandbox import Sandbox, Task

if TYPE_CHECKING:
    from tests.stories.platform.conftest import MakeStand

STAGES = ("task_queue", "task_accept", "task_preprocess_end", "task_assign", "task_start", "task_output", "task_end")
ALL = Filter()


@pytest.fixture
def store(tmp_path: Path) -> str:
    """A journal that survives a relay."""
    return f"sqlite:///{tmp_path}/relay.db"


async def taken_up(sandbox: Sandbox, truth: Task, read_before: int) -> None:
    """Wait until a new relay follows the task and has read its record."""
    await truth.until(lambda task: task.details_read > read_before and sandbox.subscribers(task.id))


@pytest.mark.parametrize("stage", STAGES)
async def test_viewers_resume_after_a_restart_at_any_stage(
    make_stand: "MakeStand", sandbox: Sandbox, store: str, stage: str
) -> None:
    """The platform waits meanwhile: cursors are valid, and stages and lines come once."""
    async with make_stand(store=store) as stand:
        ward = await stand.begin(hold_at="" if stage == "task_queue" else stage, stderr_lines=2)
        if stage != "task_queue":
            sandbox.release(ward.truth.id)
            await ward.truth.until(lambda task: task.holding_at == stage)
    read_before = ward.truth.details_read
    async with make_stand(store=store) as stand:
        await taken_up(sandbox, ward.truth, read_before)
        ward = await stand.resume(ward)
        sandbox.release(ward.truth.id)
        story = await stand.ended(ward)
    story.check_truth()
    story.check_logs()


@pytest.mark.parametrize("ended", [True, False], ids=["ended", "running"])
@pytest.mark.parametrize("stage", ["task_queue", "task_start"])
async def test_what_happened_while_no_relay_ran_is_reconciled(
    make_stand: "MakeStand", sandbox: Sandbox, store: str, stage: str, ended: bool
) -> None:
    """The platform has reached a later stage or the end: this is noticed late, with the true times."""
    holds = {"task_queue": "task_end", "task_start": "task_start|task_end"}[stage]
    async with make_stand(store=store) as stand:
        ward = await stand.begin(hold_at=holds)
        if stage != "task_queue":
            await stand.release_at(ward.truth, "task_queue")
            await ward.truth.until(lambda task: task.holding_at == stage)
    sandbox.release(ward.truth.id)
    await ward.truth.until(lambda task: task.holding_at == "task_end")
    read_before = ward.truth.details_read
    if ended:
        sandbox.release(ward.truth.id)
        await ward.truth.until(lambda task: task.verdict)
    async with make_stand(store=store) as stand:
        if not ended:
            await taken_up(sandbox, ward.truth, read_before)
            sandbox.release(ward.truth.id)
        story = await stand.ended(await stand.resume(ward))
    story.check_truth()
    story.check_logs()
    assert story.sources[Stage.END] is Source.RECONCILED


async def test_many_restarts_do_not_change_the_story(make_stand: "MakeStand", sandbox: Sandbox, store: str) -> None:
    """A new relay for each stage."""
    async with make_stand(store=store) as stand:
        ward = await stand.begin(hold_at="|".join(STAGES[1:]))
    for stage in STAGES:
        read_before = ward.truth.details_read
        async with make_stand(store=store) as stand:
            await taken_up(sandbox, ward.truth, read_before)
            ward = await stand.resume(ward)
            await stand.release_at(ward.truth, stage)
            if stage == STAGES[-1]:
                story = await stand.ended(ward)
            else:
                await ward.truth.until(lambda task, stage=stage: task.holding_at not in (None, stage))  # type: ignore[misc]
    story.check_truth()
    story.check_logs()


async def test_a_cancel_from_before_a_restart_is_repeated(
    make_stand: "MakeStand", sandbox: Sandbox, store: str
) -> None:
    """The platform refused it; the next relay asks again."""
    async with make_stand(store=store) as stand:
        ward = await stand.begin(hold_at="task_start", stop_http="500*1")
        await stand.release_at(ward.truth, "task_queue")
        await ward.truth.until(lambda task: task.holding_at == "task_start")
        assert await stand.cancel(ward.id) == 502
        for viewer in ward.viewers:
            await viewer.until(lambda state: state.cancel is not None)
    assert ward.truth.verdict is None
    async with make_stand(store=store) as stand:
        story = await stand.ended(await stand.resume(ward))
    story.check_truth()
    assert ward.truth.verdict == "canceled"
    assert len(story.of("cancel")) == 1


async def test_a_run_that_was_being_sent_when_the_relay_stopped_is_found(
    make_stand: "MakeStand", sandbox: Sandbox, store: str
) -> None:
    """Its answer never came: the next relay searches for it, and does not send it again."""
    async with make_stand(store=store) as stand:
        asking = asyncio.create_task(stand.post(run_http="hang*1", run_http_started=True, await_subscriber=True))
        await sandbox.received(1)
        (snapshot,) = (await stand.relay.context.tasks.lists.page(ALL, after=None, limit=1)).snapshots
    await asyncio.gather(asking, return_exceptions=True)
    async with make_stand(store=store) as stand:
        token = await stand.mint(snapshot.id, "view")
        viewer = stand.viewer(snapshot.id, token, "ws", snapshot)
        end = await viewer.to_the_end()
        (truth,) = sandbox.tasks.values()
        story = await stand.read(snapshot.id, truth)

    assert viewer.openings == ["resumed"]
    assert end == story.end
    assert len(sandbox.runs) == 1
    story.check_truth()
    story.check_logs()
