"""
Followers are kept running: after a crash, over a failing store, and over a restart.

The settings that apply to all of them are in `relay.tasks.limits`.
"""

import asyncio
import math
from typing import cast

import pytest
from structlog.testing import capture_logs

from relay import backoff
from relay.catalogue.catalogue import load
from relay.core.lifecycle import Lifecycle
from relay.core.signals import Accepted, Held
from relay.core.snapshot import Snapshot
from relay.errors import RequestError, StoreDamaged, StoreError, Taken, UpstreamUnclear
from relay.files.spool import Spool
from relay.journal.base import StoredTask
from relay.tasks.follower import Follower
from relay.tasks.limits import Limits
from relay.tasks.supervisor import UNUSED_UPLOAD_S, Supervisor
from tests.tasks.fakes import Bench, bench
from tests.tasks.nodes import NodeSpool, running
from tests.tasks.shared_journal import SharedStore

WAIT_S = 30.0


def supervisor_of(one: Bench, spool: NodeSpool | None = None) -> Supervisor:
    return Supervisor(
        one.journal,
        {"fake": one.context.provider},
        load(),
        cast("Spool", spool or NodeSpool()),
        one.clock,
        Limits(),
    )


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restart followers at once."""
    monkeypatch.setattr(backoff, "FIRST_S", 0.0)


async def followed_to_the_end(supervisor: Supervisor) -> None:
    async with asyncio.timeout(WAIT_S):
        while len(supervisor):  # noqa: ASYNC110 -- there is no event for it
            await asyncio.sleep(0)


class Crashes:
    """Replaces `Follower.run`: raises the given errors one after the other, then ends."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *errors: Exception) -> None:
        self._errors = list(errors)
        self.permits: list[float | None] = []
        monkeypatch.setattr(Follower, "run", lambda _follower, *, send_until_s: self._run(send_until_s))

    async def _run(self, send_until_s: float | None) -> None:
        self.permits.append(send_until_s)
        if self._errors:
            raise self._errors.pop(0)


async def test_a_follower_that_crashes_is_restarted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its task is not new any more: the run may have been sent. The client is told that the outcome is unknown."""
    one = await bench()
    crashes = Crashes(monkeypatch, ZeroDivisionError("a bug"), StoreError("the disk is full"))
    async with supervisor_of(one) as supervisor:
        with capture_logs() as lines:
            follower = supervisor.follow(one.context.stored, one.snapshot, send_until_s=math.inf)
            assert supervisor.get("task") is follower
            await followed_to_the_end(supervisor)

    assert crashes.permits == [math.inf, None, None]
    assert isinstance(follower.submitted.result(), UpstreamUnclear)
    assert [line["event"] for line in lines] == ["follower.crashed", "follower.interrupted"]
    assert supervisor.get("task") is None


async def test_a_damaged_task_is_skipped_and_the_log_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another attempt would not help."""
    one = await bench()
    crashes = Crashes(monkeypatch, StoreDamaged("task", "log"))
    async with supervisor_of(one) as supervisor:
        with capture_logs() as lines:
            supervisor.follow(one.context.stored, one.snapshot)
            await followed_to_the_end(supervisor)

    assert crashes.permits == [None]
    assert [line["event"] for line in lines] == ["task.skipped"]


async def test_a_journal_that_has_lost_a_task_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is logged as one, and retried."""
    one = await bench()
    Crashes(monkeypatch, ZeroDivisionError("a bug"))
    stored_task, missing = one.journal.stored_task, [None, None]

    async def found(task: str) -> StoredTask | None:
        return missing.pop() if missing else await stored_task(task)

    monkeypatch.setattr(one.journal, "stored_task", found)
    async with supervisor_of(one) as supervisor:
        with capture_logs() as lines:
            supervisor.follow(one.context.stored, one.snapshot, send_until_s=math.inf)
            await followed_to_the_end(supervisor)

    assert [line["event"] for line in lines] == ["follower.crashed"] * 3


async def commit(one: Bench, *signals: Accepted | Held) -> None:
    """Commit what an earlier process would have."""
    lifecycle = Lifecycle(one.snapshot, one.clock(), one.context.time_limits)
    for signal in signals:
        await one.journal.append(lifecycle.receive(signal, one.clock()))


async def test_tasks_of_an_earlier_process_are_resumed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The uploads of those that are queued are kept."""
    crashes = Crashes(monkeypatch)
    one = await bench(file_bytes=3)
    await commit(one, Held(reason="full", position=1))
    async with supervisor_of(one, spool := NodeSpool()) as supervisor:
        await supervisor.resume()
        await followed_to_the_end(supervisor)

    assert (spool.kept, crashes.permits) == ({"upload"}, [None])


async def test_the_uploads_of_a_task_that_was_sent_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform has them, or the run is searched for."""
    Crashes(monkeypatch)
    one = await bench(file_bytes=3)
    await commit(one, Accepted(upstream_id="1"))
    async with supervisor_of(one, spool := NodeSpool()) as supervisor:
        await supervisor.resume()

    assert spool.kept == set()


async def test_a_task_of_a_provider_without_credentials_is_skipped() -> None:
    """The log says why."""
    one = await bench()
    async with Supervisor(one.journal, {}, load(), cast("Spool", NodeSpool()), one.clock, Limits()) as supervisor:
        with capture_logs() as lines:
            await supervisor.resume()

    assert [(line["event"], line["reason"]) for line in lines] == [("task.skipped", "no credentials for fake")]


@pytest.mark.parametrize("part", ["snapshot", "stored_task"])
async def test_a_task_that_cannot_be_read_is_skipped_but_keeps_its_uploads(
    monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """An operator may repair the store. If even its row cannot be read, its uploads are unknown."""
    one = await bench(file_bytes=3)

    async def damaged(_task: str) -> Snapshot | None:
        raise StoreDamaged("task", "log")

    monkeypatch.setattr(one.journal, part, damaged)
    async with supervisor_of(one, spool := NodeSpool()) as supervisor:
        with capture_logs() as lines:
            await supervisor.resume()

    assert [line["event"] for line in lines] == ["task.skipped"]
    assert spool.kept == ({"upload"} if part == "snapshot" else set())


async def test_a_draining_supervisor_waits_for_submissions_and_takes_no_new_tasks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without submissions it returns at once."""
    one = await bench()
    answered = asyncio.Event()

    async def run(follower: Follower, *, send_until_s: float | None) -> None:
        await answered.wait()
        follower.answer(None)
        await asyncio.Event().wait()

    monkeypatch.setattr(Follower, "run", run)
    async with supervisor_of(one) as supervisor:
        await supervisor.drain(WAIT_S)
        with pytest.raises(RequestError, match="shutting down"):
            supervisor.check_open()
        follower = supervisor.follow(one.context.stored, one.snapshot, send_until_s=math.inf)
        draining = asyncio.create_task(supervisor.drain(WAIT_S))
        await asyncio.sleep(0)
        assert not draining.done()
        answered.set()
        await draining
        assert follower.submitted.done()
        assert repr(supervisor) == "<Supervisor 1>"


async def test_a_draining_supervisor_waits_for_runs_that_are_sent_from_the_queue() -> None:
    """Their clients were answered long ago, but the run is billable and its outcome would be unknown."""
    one = await bench()
    async with supervisor_of(one) as supervisor:
        admission = supervisor.admission("fake")
        with admission.sending():
            draining = asyncio.create_task(supervisor.drain(WAIT_S))
            await asyncio.sleep(0)
            assert admission.queue.closed
            assert not draining.done()
        await draining


async def test_a_task_dated_in_the_future_does_not_use_the_shared_clock_offset() -> None:
    """Its timeline goes on from its last event, not from the machine's clock."""
    one = await bench()
    supervisor = supervisor_of(one)
    one.clock.now -= 3600.0
    follower = supervisor._follower(one.context.stored, one.snapshot)

    assert follower._context.clock() >= 1000.0
    assert follower._lifecycle._timeline._clock is not supervisor.admission("fake").clock
    assert follower._context.wall_clock() == -2600.0


async def test_a_run_that_another_node_has_adopted_is_searched_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The task is read from the journal again, because nothing of the adoption was committed."""
    one = await bench()
    crashes = Crashes(monkeypatch, Taken("another task is this upstream task"))
    async with supervisor_of(one) as supervisor:
        with capture_logs() as lines:
            supervisor.follow(one.context.stored, one.snapshot, send_until_s=math.inf)
            await followed_to_the_end(supervisor)

    assert crashes.permits == [math.inf, None]
    assert [line["event"] for line in lines] == ["run.taken"]


async def test_the_young_uploads_of_other_nodes_are_kept(store: SharedStore) -> None:
    """They may use the same directory. On one node, no upload is needed that no task has."""
    async with running(store, Limits(queue_limit_s=60.0)) as node:
        await node.supervisor.resume()
    assert node.spool.older_than_s == 60.0 + UNUSED_UPLOAD_S
    alone = NodeSpool()
    async with supervisor_of(await bench(), alone) as supervisor:
        await supervisor.resume()
    assert alone.older_than_s == 0.0


async def test_a_follower_that_crashes_while_its_task_is_given_up_is_not_restarted(
    store: SharedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two followers would write the task's log if this node takes it over again."""
    going_on = asyncio.Event()

    async def run(_follower: Follower, *, send_until_s: float | None) -> None:
        await going_on.wait()
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(Follower, "run", run)
    monkeypatch.setattr(Follower, "fence", lambda _follower: False)
    async with running(store) as node:
        await node.start()
        await node.supervisor.abandon()
        supervising = set(node.supervisor._background._tasks)
        going_on.set()
        await asyncio.wait(supervising, timeout=WAIT_S)
        assert len(node.supervisor) == 0
