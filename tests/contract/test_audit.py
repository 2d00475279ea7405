"""The contracts of the audit and of revocations (relay/journal/audit.py, revocations.py), tested with every backend."""

import math
from dataclasses import replace

from relay.journal.audit import Action, AuditEntry, AuditFilter
from relay.journal.base import Journal
from relay.journal.revocations import Kind, Revocation, Revoked

WHOLE = AuditEntry(
    id="whole",
    at=1.5,
    action=Action.MINT,
    key="shop",
    subject="tag:ü",
    address="2001:db8::1",
    request_id="r-1",
    task="t1",
    tag="ü",
    jti="j1",
    status=200,
    count=3,
)


def entry(name: str, at: float, action: Action = Action.START, **fields: str) -> AuditEntry:
    return AuditEntry(id=name, at=at, action=action, status=201, **fields)  # type: ignore[arg-type]


async def listed(journal: Journal, where: AuditFilter | None = None) -> list[str]:
    """Return the ids of the entries that match, newest first, a few at a time."""
    found: list[str] = []
    before: int | None = None
    while page := await journal.audit.page(where or AuditFilter(), before=before, limit=2):
        found += [each.entry.id for each in page]
        before = page[-1].number
    return found


async def test_entries_are_listed_newest_first_as_they_were_added(journal: Journal) -> None:
    """An entry that is added again, as after a lost answer, is stored once."""
    await journal.audit.add([WHOLE])
    await journal.audit.add([WHOLE, entry("second", 2.0), entry("third", 1.0)])
    await journal.audit.add([])
    assert await listed(journal) == ["third", "second", "whole"]
    assert [each.entry for each in await journal.audit.page(AuditFilter(key="shop"), before=None, limit=5)] == [WHOLE]


async def test_filters_are_combined(journal: Journal) -> None:
    """A key without a name is the empty one, and no key is null."""
    await journal.audit.add(
        [
            entry("a", 1.0, key="shop", task="t1"),
            entry("b", 2.0, key="shop", tag="g"),
            entry("c", 3.0, Action.CANCEL, key="", task="t1"),
            entry("d", 0.5, Action.AUTH_FAILED),
        ]
    )
    for where, expected in (
        (AuditFilter(action=Action.CANCEL), ["c"]),
        (AuditFilter(key="shop"), ["b", "a"]),
        (AuditFilter(key=""), ["c"]),
        (AuditFilter(task="t1"), ["c", "a"]),
        (AuditFilter(tag="g"), ["b"]),
        (AuditFilter(since=2.0), ["c", "b"]),
        (AuditFilter(until=2.0), ["d", "a"]),
        (AuditFilter(key="shop", task="t1", since=1.0, until=9.0), ["a"]),
    ):
        assert await listed(journal, where) == expected, where


async def test_old_entries_are_forgotten_and_failures_displace_no_others(journal: Journal) -> None:
    """The newest of each of both kinds are kept."""
    entries = [entry(f"a{number}", float(number)) for number in range(4)]
    failures = [entry(f"f{number}", 10.0 + number, Action.AUTH_FAILED) for number in range(4)]
    await journal.audit.add(entries + failures)
    await journal.audit.forget(before=-math.inf, keep=3)
    assert await listed(journal) == ["f3", "f2", "f1", "a3", "a2", "a1"]
    await journal.audit.forget(before=3.0, keep=3)
    assert await listed(journal) == ["f3", "f2", "f1", "a3"]
    await journal.audit.forget(before=math.inf, keep=3)
    assert await listed(journal) == []


async def test_revocations_are_read_on_from_a_number(journal: Journal) -> None:
    """One that is replaced comes again, with the later of both times."""
    tag = Revocation(kind=Kind.TAG, name="ü", at=5.0, expires_at=50.0)
    jti = Revocation(kind=Kind.JTI, name="j1", at=6.0, expires_at=60.0)
    assert (await journal.revocations.since(0)).revocations == ()
    await journal.revocations.add(tag)
    await journal.revocations.add(jti)
    first = await journal.revocations.since(0)
    assert first.revocations == (tag, jti)
    assert await journal.revocations.since(first.last) == Revoked(revocations=(), last=first.last)

    await journal.revocations.add(replace(tag, at=4.0, expires_at=40.0))
    again = await journal.revocations.since(first.last)
    assert again.revocations == (tag,)
    await journal.revocations.add(replace(tag, at=7.0, expires_at=70.0))
    assert (await journal.revocations.since(again.last)).revocations == (replace(tag, at=7.0, expires_at=70.0),)
    assert len((await journal.revocations.since(0)).revocations) == 2


async def test_revocations_are_forgotten_when_their_tokens_have_expired(journal: Journal) -> None:
    """A number is never used twice, so no node misses the next one."""
    await journal.revocations.add(Revocation(kind=Kind.TASK, name="t", at=1.0, expires_at=10.0))
    last = (await journal.revocations.since(0)).last
    await journal.revocations.forget(expired_before=10.0)
    assert len((await journal.revocations.since(0)).revocations) == 1
    await journal.revocations.forget(expired_before=10.5)
    assert (await journal.revocations.since(0)).revocations == ()
    new = Revocation(kind=Kind.LOGIN, name="", at=11.0, expires_at=20.0)
    await journal.revocations.add(new)
    assert (await journal.revocations.since(last)).revocations == (new,)
