"""The audit of a process is stored in batches, and nothing is lost on a clean stop."""

import asyncio
from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs

from relay.access import audit as module
from relay.access.audit import Audit
from relay.access.grants import Grant
from relay.errors import StoreError
from relay.journal.audit import Action, AuditEntry, AuditFilter
from relay.journal.memory_audit import MemoryAudit

SHOP = Grant(role="start", name="shop")
TOKEN = Grant(tag="campaign", scopes=frozenset({"view"}))


class Stored(MemoryAudit):
    """Fails while `fails` is set, and says when a batch was stored."""

    def __init__(self) -> None:
        super().__init__()
        self.fails = False
        self.added = asyncio.Event()

    async def add(self, entries: Sequence[AuditEntry]) -> None:
        if self.fails:
            raise StoreError("the disk is full")
        await super().add(entries)
        self.added.set()

    async def entries(self) -> list[AuditEntry]:
        return [each.entry for each in await self.page(AuditFilter(), before=None, limit=1000)]


def record(audit: Audit, task: str, grant: Grant = SHOP, address: str = "192.0.2.1") -> None:
    audit.record(Action.CANCEL, grant, address=address, request_id="r", status=202, task=task)


async def test_entries_are_stored_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without another call. They name the key or what the token opens."""
    monkeypatch.setattr(module, "FLUSH_S", 0.0)
    stored = Stored()
    async with Audit(stored, lambda: 5.0) as audit:
        record(audit, "a")
        record(audit, "b", TOKEN)
        await stored.added.wait()
        second, first = await stored.entries()
    assert (first.key, first.subject, first.task, first.at) == ("shop", None, "a", 5.0)
    assert (second.key, second.subject, second.address) == (None, "tag:campaign", "192.0.2.1")


async def test_what_is_left_is_stored_on_a_clean_stop() -> None:
    """Entries, and the counts of failures."""
    stored = Stored()
    async with Audit(stored, lambda: 5.0) as audit:
        record(audit, "a")
        for _ in range(4):
            audit.failed("192.0.2.9", "r")
    counts = [(each.action, each.address, each.count) for each in reversed(await stored.entries())]
    failed = Action.AUTH_FAILED
    assert counts == [(Action.CANCEL, "192.0.2.1", 1), (failed, "192.0.2.9", 1), (failed, "192.0.2.9", 3)]


async def test_entries_wait_for_a_store_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to a limit; the number of those beyond it is logged."""
    monkeypatch.setattr(module, "PENDING", 2)
    stored = Stored()
    with capture_logs() as lines:
        async with Audit(stored, lambda: 5.0) as audit:
            stored.fails = True
            for task in "abc":
                record(audit, task)
            with pytest.raises(StoreError):
                await audit.page(AuditFilter(), before=None, limit=5)
            stored.fails = False
            page = await audit.page(AuditFilter(), before=None, limit=5)
            assert [each.entry.task for each in page] == ["b", "a"]
    dropped = [line["count"] for line in lines if line["event"] == "audit.entries_dropped"]
    assert dropped == [1]


async def test_a_store_that_fails_to_the_end_is_logged() -> None:
    """With the number of entries that are lost."""
    stored = Stored()
    stored.fails = True
    with capture_logs() as lines:
        async with Audit(stored, lambda: 5.0) as audit:
            record(audit, "a")
    assert [line["count"] for line in lines] == [1]


async def test_a_forged_address_can_be_stored() -> None:
    """A header may contain bytes that are not UTF-8."""
    stored = Stored()
    async with Audit(stored, lambda: 5.0) as audit:
        record(audit, "a", address="\udcff\u2028")
    ((entry),) = await stored.entries()
    assert entry.address == "\\udcff\\u2028"
