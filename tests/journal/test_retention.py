"""Retention: which tasks are deleted, and what remains of them."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

import aiohttp
import pytest
from structlog.testing import capture_logs

from relay.app import Running
from relay.core.events import Done, Event, Log, LogOutput, Source, State, Submit
from relay.core.snapshot import Snapshot, begin, fold
from relay.errors import StoreError
from relay.journal import retention
from relay.journal.audit import Action, AuditEntry, AuditFilter
from relay.journal.base import StoredTask
from relay.journal.lists import Filter
from relay.journal.memory import MemoryJournal
from relay.journal.retention import YOUNG_S, retaining, sweep
from relay.journal.revocations import Kind, Revocation

MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]

PATIENCE_S = 60.0
TASK = {"model": "bytedance/text-to-image-seedream-v4", "input": {"prompt": "a cat"}, "tags": ["shop"]}


def event(task: str, seq: int, kind: str, state: State, at: float, data: Submit | LogOutput | Done) -> Event:
    return Event(type=kind, task=task, seq=seq, state=state, at=at, source=Source.RELAY, data=data)


async def journal_of(*ends: float | None) -> MemoryJournal:
    """Return a journal with a task of about 10 kB for each time of an end; null for a running task."""
    journal = MemoryJournal()
    await journal.open(lock=True)
    for number, ended_at in enumerate(ends):
        task = f"task-{number}"
        first = event(task, 1, "submit", State.SUBMITTING, 0.0, Submit(model="o/m", provider="wiro", tags=()))
        large = LogOutput(log=Log(stream="stdout", text="x" * 10_000))
        later = [event(task, 2, "output", State.RUNNING, 0.0, large)]
        if ended_at is not None:
            later.append(event(task, 3, "done", State.SUCCEEDED, ended_at, Done(verdict="succeeded")))
        record = StoredTask(id=task, provider="wiro", model="o/m", created_at=float(number), input={}, metadata={})
        await journal.create(record, first)
        await journal.append(later, snapshot=fold(begin(first, journal.epoch), later))
    return journal


async def kept(journal: MemoryJournal) -> list[str]:
    places = await journal.page(Filter(), after=None, limit=100)
    return sorted(place.id for place in places)


async def test_a_task_that_ended_long_ago_is_deleted() -> None:
    """However many there are. One that ended later and a running one stay."""
    journal = await journal_of(*[100.0] * 25, 600.0, None)

    assert await sweep(journal, 1000.0, age_s=500.0, limit_bytes=10**9) == 25

    assert await kept(journal) == ["task-25", "task-26"]


async def test_without_a_limit_of_age_tasks_are_kept() -> None:
    """An age of 0 is no limit."""
    journal = await journal_of(100.0)
    assert await sweep(journal, 1e12, age_s=0, limit_bytes=10**9) == 0
    assert await kept(journal) == ["task-0"]


async def test_tombstones_are_kept_as_long_as_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is too large keeps them, too: they are small."""
    monkeypatch.setattr(retention, "TOMBSTONES", 1)
    journal = await journal_of(100.0, 100.0, 100.0)
    for number, at in enumerate((200.0, 300.0, 600.0)):
        await journal.deletions.delete([f"task-{number}"], at=at, upstream=False)
    await sweep(journal, 1000.0, age_s=0, limit_bytes=-1)
    assert await journal.deletions.find("task-0") is not None
    await sweep(journal, 1000.0, age_s=500.0, limit_bytes=10**9)
    left = [number for number in range(3) if await journal.deletions.find(f"task-{number}") is not None]
    assert left == [2]


async def test_the_audit_and_revocations_have_their_own_ages() -> None:
    """A revocation is kept until the tokens that it concerns have expired."""
    journal = await journal_of(100.0)
    ages = {"old": 100.0, "new": 600.0}
    await journal.audit.add([AuditEntry(id=name, at=at, action=Action.START, status=201) for name, at in ages.items()])
    for name, at in ages.items():
        await journal.revocations.add(Revocation(kind=Kind.TASK, name=name, at=at, expires_at=at + 450.0))
    await sweep(journal, 1000.0, age_s=0, limit_bytes=10**9, audit_age_s=500.0)
    assert [each.entry.id for each in await journal.audit.page(AuditFilter(), before=None, limit=5)] == ["new"]
    assert [each.name for each in (await journal.revocations.since(0)).revocations] == ["new"]


async def test_a_store_that_is_too_large_loses_its_oldest_ended_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it is small enough, and no more than that."""
    monkeypatch.setattr(retention, "BATCH", 1)
    journal = await journal_of(None, 10.0, 10.0, 10.0, 10.0)

    await sweep(journal, 1000.0, age_s=0, limit_bytes=35_000)

    assert await kept(journal) == ["task-0", "task-3", "task-4"]
    assert await journal.size_bytes() <= 35_000


async def test_running_and_recently_ended_tasks_are_never_deleted() -> None:
    """A store that is too large with only these stays so, and the sweep ends."""
    journal = await journal_of(None, 1000.0, 1000.0 - YOUNG_S)

    assert await sweep(journal, 1000.0, age_s=0, limit_bytes=1) == 0

    assert await kept(journal) == ["task-0", "task-1", "task-2"]


@pytest.mark.parametrize("failure", [OSError("the disk is full"), StoreError("the journal could not be written")])
async def test_a_sweep_that_fails_is_repeated(monkeypatch: pytest.MonkeyPatch, failure: OSError) -> None:
    """Deleting tasks may be what frees a full disk. A failure of the store is logged by the journal, not again here."""
    monkeypatch.setattr(retention, "SWEEP_S", 0.0)
    journal = await journal_of(100.0)
    prune, failed = journal.prune, asyncio.Event()

    async def fail_once(*, ended_before: float, limit: int) -> tuple[str, ...]:
        if not failed.is_set():
            failed.set()
            raise failure
        return await prune(ended_before=ended_before, limit=limit)

    monkeypatch.setattr(journal, "prune", fail_once)
    with capture_logs() as logs:
        async with asyncio.timeout(PATIENCE_S), retaining(journal, lambda: 1000.0, age_s=1.0, limit_bytes=10**9):
            while await kept(journal):  # noqa: ASYNC110 -- a sweep is not announced
                await asyncio.sleep(0)
    assert failed.is_set()
    assert ("retention.failed" in [entry["event"] for entry in logs]) is not isinstance(failure, StoreError)


async def test_a_deleted_task_cannot_be_found(make_relay: MakeRelay, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by its key, token, tag or idempotency key nor on a socket."""
    monkeypatch.setattr(retention, "SWEEP_S", 0.01)
    async with make_relay(history_age_s=0.001) as relay:
        headers = {"Authorization": f"Bearer {relay.api_key}"}
        async with aiohttp.ClientSession(relay.url, headers=headers) as client, asyncio.timeout(PATIENCE_S):
            async with client.post("/v1/tasks", json=TASK, headers={"Idempotency-Key": "once"}) as answer:
                made = await answer.json()
            path, status = f"/v1/tasks/{made['task']['id']}", 200
            while status != 404:
                async with client.get(path, headers={"Authorization": f"Bearer {made['token']}"}) as answer:
                    status, said = answer.status, await answer.json()
            assert said["code"] == "not_found"
            for below in ("input", "events"):
                async with client.get(f"{path}/{below}") as answer:
                    assert answer.status == 404
            async with client.get(f"{path}/events", headers={"Accept": "text/event-stream"}) as answer:
                assert answer.status == 404
            async with client.ws_connect(f"{path}/ws") as socket:
                assert (await socket.receive()).data == 4504
            async with client.get("/v1/tasks", params={"tag": "shop"}) as answer:
                assert (await answer.json())["tasks"] == []
            async with client.post("/v1/tasks", json=TASK, headers={"Idempotency-Key": "once"}) as answer:
                again = await answer.json()
            assert again["task"]["id"] != made["task"]["id"]


async def test_a_task_that_is_deleted_while_the_list_is_read_is_left_out(
    client: aiohttp.ClientSession, relay: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was deleted between the page and the states: the request still succeeds."""
    async with client.post("/v1/tasks", json=TASK | {"tags": []}) as answer:
        assert answer.status == 201

    async def gone(_tasks: Sequence[str]) -> tuple[Snapshot, ...]:
        return ()

    monkeypatch.setattr(relay.context.tasks._journal, "snapshots", gone)
    async with client.get("/v1/tasks") as answer:
        assert (answer.status, await answer.json()) == (200, {"tasks": [], "next": None})
