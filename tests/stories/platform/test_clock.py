"""
A machine's clock that is wrong, or is set while the relay runs, and a relay that was off for a weekend.

The relay's clock is moved, the platform's is not. Whatever it shows: no task is called lost that the platform knows, no
run is started twice, and nothing is removed or expires before its time has passed.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from relay import app, backoff
from relay.core.events import State
from relay.core.snapshot import Snapshot
from relay.journal.lists import Filter
from relay.providers.wiro.task_list import PAGE_TASKS
from relay.sandbox import Sandbox
from relay.tasks import search

if TYPE_CHECKING:
    from tests.stories.platform.conftest import MakeStand, Stand, Story, Ward

HOUR_S = 3600.0
SHIFTS_S = (-48 * HOUR_S, 48 * HOUR_S)
MODEL = "bytedance/text-to-image-seedream-v4"


class MachineClock:
    """The clock of the relay's machine. It is right until a test sets it."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead_s


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> MachineClock:
    """Make the relay use this clock."""
    clock = MachineClock()
    monkeypatch.setattr(app, "time", SimpleNamespace(time=clock, monotonic=time.monotonic))
    return clock


@pytest.fixture
def store(tmp_path: Path) -> str:
    """A journal that outlives a relay."""
    return f"sqlite:///{tmp_path}/relay.db"


async def until(stand: "Stand", task: str, condition: Callable[[Snapshot], object]) -> Snapshot:
    """Wait until a condition holds for a task's committed state."""
    journal, committed = stand.relay.journal, asyncio.Event()
    stop = journal.listen(lambda _entries: committed.set())
    try:
        async with asyncio.timeout(60):
            while (state := await journal.snapshot(task)) is None or not condition(state):
                await committed.wait()
                committed.clear()
            return state
    finally:
        stop()


def ended(state: Snapshot) -> bool:
    return state.done is not None


async def story_of(stand: "Stand", ward: "Ward") -> "Story":
    """Read a task to its end with the API key: a viewer's token expires by the clock."""
    await until(stand, ward.id, ended)
    return await stand.read(ward.id, ward.truth)


async def test_a_task_that_ended_while_the_relay_was_off_is_read(
    make_stand: "MakeStand", sandbox: Sandbox, store: str, clock: MachineClock
) -> None:
    """However long the relay was off, the record is read before the task is judged."""
    async with make_stand(store=store) as stand:
        wards = [await stand.begin(hold_at="task_start") for _ in range(3)]
        for ward in wards:
            await stand.release_at(ward.truth, "task_queue")
            await ward.truth.until(lambda task: task.holding_at == "task_start")
    for ward in wards:
        sandbox.release(ward.truth.id)
        await ward.truth.until(lambda task: task.verdict)
    clock.ahead_s = 48 * HOUR_S
    async with make_stand(store=store) as stand:
        for ward in wards:
            (await story_of(stand, ward)).check_truth()


@pytest.mark.parametrize("ahead_s", SHIFTS_S)
async def test_a_task_that_runs_after_a_restart_is_followed(
    make_stand: "MakeStand", sandbox: Sandbox, store: str, clock: MachineClock, ahead_s: float
) -> None:
    """The clock has moved two days forward or back. The platform's record says that the task is running."""
    async with make_stand(store=store) as stand:
        ward = await stand.begin(hold_at="task_start")
        await stand.release_at(ward.truth, "task_queue")
        await ward.truth.until(lambda task: task.holding_at == "task_start")
    clock.ahead_s = ahead_s
    read_before = ward.truth.details_read
    async with make_stand(store=store) as stand:
        await ward.truth.until(lambda task: task.details_read > read_before)
        sandbox.release(ward.truth.id)
        story = await story_of(stand, ward)
    story.check_truth()
    assert story.end.ended_at is not None
    assert story.end.ended_at >= story.end.created_at


@pytest.mark.parametrize("ahead_s", SHIFTS_S)
async def test_a_clock_that_is_set_while_tasks_run_changes_nothing_for_them(
    make_stand: "MakeStand", sandbox: Sandbox, clock: MachineClock, ahead_s: float
) -> None:
    """They end as on the platform, with true durations, and a new task is dated by the new time."""
    async with make_stand() as stand:
        ward = await stand.begin(hold_at="task_start")
        await stand.release_at(ward.truth, "task_queue")
        await ward.truth.until(lambda task: task.holding_at == "task_start")
        clock.ahead_s = ahead_s
        await stand.look_now(ward.id)
        sandbox.release(ward.truth.id)
        story = await stand.ended(ward)
        fresh = await stand.story()
    story.check_truth()
    fresh.check_truth()
    assert not story.of("stall")
    assert story.end.ended_at is not None
    assert 0 <= story.end.ended_at - story.end.created_at < HOUR_S
    assert abs(fresh.end.created_at - story.end.created_at - ahead_s) < HOUR_S


async def test_a_platform_that_is_down_when_the_relay_starts_is_retried(
    make_stand: "MakeStand", sandbox: Sandbox, store: str, clock: MachineClock
) -> None:
    """After a weekend without a network: no task is judged before its record was read."""
    async with make_stand(store=store) as stand:
        ward = await stand.begin(detail_http="500*8")
    clock.ahead_s = 48 * HOUR_S
    async with make_stand(store=store) as stand:
        sandbox.release(ward.truth.id)
        story = await story_of(stand, ward)
    story.check_truth()


@asynccontextmanager
async def gate(sandbox: Sandbox) -> AsyncIterator[tuple[str, asyncio.Event, asyncio.Semaphore]]:
    """Run a proxy for the platform: yield its address, an event that opens it, and a count of rejected connections."""
    is_open, turned_away = asyncio.Event(), asyncio.Semaphore(0)
    host, _, port = sandbox.origin.rpartition("//")[2].rpartition(":")

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not is_open.is_set():
            turned_away.release()
            writer.close()
            return
        there_reader, there_writer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(pass_on(reader, there_writer), pass_on(there_reader, writer), return_exceptions=True)

    async with await asyncio.start_server(serve, "127.0.0.1") as server:
        at = server.sockets[0].getsockname()[1]
        yield sandbox.api_url.replace(f"{host}:{port}", f"127.0.0.1:{at}"), is_open, turned_away


async def test_a_run_of_unknown_outcome_is_searched_for_until_the_platform_answers(
    make_stand: "MakeStand", sandbox: Sandbox, store: str, clock: MachineClock
) -> None:
    """Even after a weekend and more failures than planned attempts: the search ends only after the list was read."""
    async with make_stand(store=store) as stand:
        asking = asyncio.create_task(stand.post(run_http="hang*1", run_http_started=True, await_subscriber=True))
        await sandbox.received(1)
        (snapshot,) = (await stand.relay.context.tasks.lists.page(Filter(), after=None, limit=1)).snapshots
    await asyncio.gather(asking, return_exceptions=True)
    clock.ahead_s = 48 * HOUR_S
    async with (
        gate(sandbox) as (api_url, is_open, turned_away),
        make_stand(store=store, wiro_api_url=api_url) as stand,
        asyncio.timeout(60),
    ):
        for _ in range(len(search.SEARCH_AFTER_S) + 2):
            await turned_away.acquire()
        is_open.set()
        state = await until(stand, snapshot.id, ended)
    assert state.state is State.SUCCEEDED
    assert len(sandbox.runs) == 1


@pytest.mark.parametrize("ahead_s", SHIFTS_S)
async def test_a_queued_task_is_not_expired_by_a_clock(
    standing: "MakeStand", store: str, clock: MachineClock, monkeypatch: pytest.MonkeyPatch, ahead_s: float
) -> None:
    """The clock is set while the task is queued, and while the relay is off; it is sent when there is capacity."""
    monkeypatch.setattr(backoff, "FIRST_S", 3600.0)  # none tries by itself before a place is free
    monkeypatch.setattr(backoff, "LONGEST_S", 3600.0)
    async with Sandbox(speed=200, concurrency=1) as sandbox:
        async with standing(sandbox, store=store) as stand:
            running = await stand.begin(hold_at="task_start")
            _, held = await stand.post(prompt="waits")
            _, also = await stand.post(prompt="waits, too")
            assert [held["task"]["state"], also["task"]["state"]] == ["held", "held"]
            clock.ahead_s = ahead_s
            queue = stand.relay.context.tasks._supervisor.admission("wiro").queue
            queue.wake(also["task"]["id"])  # it looks whether its time is over
            while queue._woken[also["task"]["id"]].is_set():  # noqa: ASYNC110 -- there is no event for it
                await asyncio.sleep(0)
        async with standing(sandbox, store=store) as stand:
            for stage in ("task_queue", "task_start"):
                await stand.release_at(running.truth, stage)
            for task in (held, also):
                assert (await until(stand, task["task"]["id"], ended)).state is State.SUCCEEDED


async def test_a_clock_that_jumps_starts_no_run_twice(
    make_stand: "MakeStand", sandbox: Sandbox, store: str, clock: MachineClock
) -> None:
    """A new idempotency key does not become a day old, neither in this process nor in the next."""

    async def post(stand: "Stand") -> str:
        body, headers = {"model": MODEL, "input": {"prompt": "a cat"}}, {"Idempotency-Key": "once"}
        async with stand.client.post("/v1/tasks", json=body, headers=headers) as answer:
            task: str = (await answer.json())["task"]["id"]
            return task

    async with make_stand(store=store) as stand:
        first = await post(stand)
        for clock.ahead_s in (-48 * HOUR_S, 48 * HOUR_S):
            assert await post(stand) == first
    async with make_stand(store=store) as stand:
        assert await post(stand) == first
    assert len(sandbox.runs) == 1


async def test_a_clock_that_is_ahead_removes_nothing(make_stand: "MakeStand", store: str, clock: MachineClock) -> None:
    """40 days ahead, over two starts of the relay."""
    async with make_stand(store=store) as stand:
        before = await stand.story()
    for clock.ahead_s in (40 * 24 * HOUR_S, 41 * 24 * HOUR_S):
        async with make_stand(store=store) as stand:
            after = await stand.story()  # the sweep at the start is over
            for story in (before, after):
                assert await stand.relay.journal.snapshot(story.end.id) is not None


@pytest.mark.parametrize("ahead_s", [48 * HOUR_S, -48 * HOUR_S])
async def test_a_lost_run_with_a_wrong_date_is_found_by_its_callback_address(
    make_stand: "MakeStand",
    sandbox: Sandbox,
    store: str,
    clock: MachineClock,
    monkeypatch: pytest.MonkeyPatch,
    ahead_s: float,
) -> None:
    """Its date is wrong by days, and the platform's list has a page of other tasks."""

    async def fill_a_page() -> None:
        async with make_stand() as other:
            for number in range(PAGE_TASKS):
                await other.post(prompt=f"another {number}")

    settings = {"store": store, "public_url": "http://127.0.0.1:9"}
    if ahead_s < 0:
        await fill_a_page()
    before = {*sandbox.tasks}
    monkeypatch.setattr(search, "SEARCH_AFTER_S", (HOUR_S,))
    clock.ahead_s = ahead_s
    async with make_stand(**settings) as stand:
        status, made = await stand.post(run_http="drop*1", run_http_started=True)
    clock.ahead_s = 0.0
    (lost,) = {*sandbox.tasks} - before
    if ahead_s > 0:
        await fill_a_page()
    monkeypatch.setattr(search, "SEARCH_AFTER_S", (0.0,))
    async with make_stand(**settings) as stand:
        found = await until(stand, made["task"]["id"], ended)

    assert status == 202
    assert (found.state, found.upstream_id) == (State.SUCCEEDED, sandbox.tasks[lost].id)
