"""Signals become committed events: in order, together, and also after the store has failed for a while."""

import math
from typing import Any

import pytest

from relay.clock import uptime_s
from relay.core.events import Event, Stage
from relay.core.signals import Accepted, Held, Released, StageSeen
from relay.errors import Fenced, StoreError, Taken
from relay.tasks import permit, task_log
from relay.tasks.task_log import TaskLog
from tests.tasks.fakes import UPSTREAM, Bench, bench
from tests.tasks.shared_journal import SharedStore


def task_log_of(one: Bench) -> TaskLog:
    return TaskLog(one.lifecycle(), one.context)


async def test_signals_are_committed_with_the_upstream_id() -> None:
    """The snapshot is what has been committed."""
    one = await bench()
    log = task_log_of(one)
    await log.write([Accepted(upstream_id="1"), StageSeen(stage=Stage.QUEUE)], UPSTREAM)

    stored = await one.journal.stored_task("task")
    assert stored is not None
    assert stored.upstream == UPSTREAM
    assert log.snapshot == await one.journal.snapshot("task")
    assert log.snapshot.upstream_id == "1"
    assert repr(log) == f"<TaskLog task queued seq={log.snapshot.seq}>"


async def test_nothing_is_committed_without_events() -> None:
    """A check may find that nothing has happened."""
    one = await bench()
    log = task_log_of(one)
    before = log.snapshot
    await log.write([])
    assert log.snapshot is before


async def test_a_commit_is_repeated_until_the_store_works_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Viewers see an event only after it is in the store, and none is lost."""
    monkeypatch.setattr(task_log, "STORE_RETRY_S", 0.0)
    one = await bench()
    log = task_log_of(one)
    append, failures = one.journal.append, [StoreError("the disk is full")] * 3

    async def failing(events: list[Event], **given: Any) -> float:
        if failures:
            assert log.snapshot.upstream_id is None
            raise failures.pop()
        return await append(events, **given)

    monkeypatch.setattr(one.journal, "append", failing)
    await log.write([Accepted(upstream_id="1")], UPSTREAM)

    assert failures == []
    assert log.snapshot.upstream_id == "1"
    assert log.snapshot == await one.journal.snapshot("task")


async def test_a_commit_tells_until_when_a_run_may_be_sent(store: SharedStore) -> None:
    """Counted from before it was issued, however long it took. Nothing is permitted without a commit."""
    view = store.node()
    await view.open(lock=True)
    one = await bench(journal=view.journal)
    log = task_log_of(one)
    assert await log.write([]) == -math.inf
    for lease_s, within_s in ((1000.0, permit.SEND_WITHIN_S), (2.0, 2.0)):
        await log.write([Held(reason="full", position=1)])
        view.send_for_s = lease_s
        before_s = uptime_s()
        permitted_s = await log.write([Released()])
        assert before_s + within_s <= permitted_s <= uptime_s() + within_s
    await view.close()


async def test_the_time_to_send_passes_while_the_store_fails(
    store: SharedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event is as old as the first attempt, and a search relies on its time."""
    monkeypatch.setattr(task_log, "STORE_RETRY_S", 0.0)
    uptime = [100.0]
    monkeypatch.setattr(task_log, "uptime_s", lambda: uptime[0])
    one = await bench()

    async def append(_events: list[Event], **_given: Any) -> float:
        if uptime[0] < 600.0:
            uptime[0] += 100.0
            raise StoreError("the disk is full")
        return 1e9

    monkeypatch.setattr(one.journal, "append", append)
    assert await task_log_of(one).write([Held(reason="full", position=1)]) == 100.0 + permit.SEND_WITHIN_S


async def test_on_one_node_there_is_no_time_limit() -> None:
    """No other process can take the task over."""
    assert await task_log_of(await bench()).write([Held(reason="full", position=1)]) == math.inf


async def test_nothing_is_written_after_a_refused_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lifecycle is ahead of the journal then."""
    for error in (Fenced("another node owns it"), Taken("another task is it")):
        one = await bench()
        log = task_log_of(one)

        async def refused(_events: list[Event], *, error: Exception = error, **_given: Any) -> float:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(one.journal, "append", refused)
            with pytest.raises(type(error)):
                await log.write([Accepted(upstream_id="1")])
        assert log.closed
        with pytest.raises(Fenced):
            await log.write([StageSeen(stage=Stage.QUEUE)])
        assert (await one.journal.snapshot("task")) == one.snapshot == log.snapshot


async def test_a_commit_that_is_repeated_ends_when_the_log_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another node owns the task by now."""
    monkeypatch.setattr(task_log, "STORE_RETRY_S", 0.0)
    one = await bench()
    log = task_log_of(one)

    async def failing(_events: list[Event], **_given: Any) -> float:
        log.closed = True
        raise StoreError("the engine is down")

    monkeypatch.setattr(one.journal, "append", failing)
    with pytest.raises(Fenced):
        await log.write([Accepted(upstream_id="1")])
