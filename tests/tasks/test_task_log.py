"""Signals become committed events: in order, together, and also after the store has failed for a while."""

from typing import Any

import pytest

from relay.core.events import Event, Stage
from relay.core.signals import Accepted, StageSeen
from relay.errors import StoreError
from relay.tasks import task_log
from relay.tasks.task_log import TaskLog
from tests.tasks.fakes import UPSTREAM, Bench, bench


def task_log_of(one: Bench) -> TaskLog:
    return TaskLog(one.lifecycle(), one.journal, one.clock)


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
