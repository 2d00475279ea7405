"""
The contract of a journal (relay/journal/base.py), tested with every backend.

Covers batch, listeners and memory, of the SQLite journal events, listing, metadata, ranges, search, tasks and
words, and that the values of relay.core.upstream are stored.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.core.codec import encode_event
from relay.core.events import (
    Data,
    Done,
    Event,
    Hold,
    Log,
    LogOutput,
    Progress,
    ProgressOutput,
    Source,
    Stall,
    State,
    Submit,
)
from relay.core.snapshot import Snapshot, begin, fold
from relay.core.upstream import CheckedInput, File, UpstreamTask
from relay.errors import Taken
from relay.journal.base import UNFINISHED, Claim, Journal, StoredTask
from relay.journal.entries import Appended, Entry, History
from relay.journal.lists import Filter, ListPosition
from relay.journal.memory import MemoryJournal
from relay.journal.postgres.journal import PostgresJournal
from relay.journal.postgres.node import ThisNode
from relay.journal.search_words import query_words
from relay.journal.sqlite import SQLiteJournal, search
from tests.postgres.fixtures import ON_POSTGRES
from tests.tasks.shared_journal import SharedStore

HISTORY_EVENTS = 10

HISTORY_BYTES = 4_000

Make = Callable[[int], Journal]


@pytest.fixture(params=["memory", "sqlite", "shared", ON_POSTGRES])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Return a function that creates a journal; it keeps the given number of events before a snapshot."""
    dsn = request.getfixturevalue("database") if request.param == "postgres" else ""

    def make_one(history_events: int) -> Journal:
        if dsn:
            return PostgresJournal(dsn, join=ThisNode, history_events=history_events, history_bytes=HISTORY_BYTES)
        if request.param == "memory":
            return MemoryJournal(history_events=history_events, history_bytes=HISTORY_BYTES)
        if request.param == "shared":  # the fake that the tests of several nodes use
            return SharedStore(history_events=history_events, history_bytes=HISTORY_BYTES).node().journal
        return SQLiteJournal(tmp_path / "relay.db", history_events=history_events, history_bytes=HISTORY_BYTES)

    return make_one


@pytest.fixture
async def start(make: Make) -> AsyncIterator[Callable[[int], Awaitable[Journal]]]:
    """Return a function that opens a journal, which is closed at the end of the test."""
    async with AsyncExitStack() as opened:

        async def start_one(history_events: int) -> Journal:
            journal = make(history_events)
            await journal.open(lock=True)
            opened.push_async_callback(journal.close)
            return journal

        yield start_one


@pytest.fixture
async def journal(start: Callable[[int], Awaitable[Journal]]) -> Journal:
    return await start(HISTORY_EVENTS)


def event(task: str, seq: int, data: Data, *, type: str = "output", state: State = State.RUNNING) -> Event:  # noqa: A002
    return Event(type=type, task=task, seq=seq, state=state, at=100.0 + seq, source=Source.LIVE, data=data)


def submit(task: str, *, tags: tuple[str, ...] = (), provider: str = "wiro") -> Event:
    data = Submit(model="o/m", provider=provider, tags=tags)
    return event(task, 1, data, type="submit", state=State.SUBMITTING)


def logs(task: str, first: int, last: int) -> list[Event]:
    """Return log lines with seq `first` to `last`."""
    return [event(task, seq, LogOutput(log=Log(stream="stdout", text=f"{seq}é\n"))) for seq in range(first, last + 1)]


def done(task: str, seq: int) -> Event:
    return event(task, seq, Done(verdict="succeeded"), type="done", state=State.SUCCEEDED)


def record(
    task: str,
    *,
    tags: tuple[str, ...] = (),
    title: str | None = None,
    provider: str = "wiro",
    created_at: float = 1.5,
    hook: str | None = None,
) -> StoredTask:
    return StoredTask(
        id=task,
        provider=provider,
        model="o/m",
        created_at=created_at,
        tags=tags,
        title=title,
        input={"prompt": "ä", "nested": [1, {"deep": None}]},
        metadata={},
        hook=hook,
        checked=CheckedInput(model="O/m", input={"prompt": "ä", "size": "1K", "seed": 10**29, "count": None}),
        files=(
            File(
                input="image",
                filename="kätzchen.png",
                content_type="image/png",
                size_bytes=7,
                sha256="ab" * 32,
                path=Path("upload/0"),
            ),
        ),
    )


async def create(
    journal: Journal,
    task: str,
    *,
    tags: tuple[str, ...] = (),
    title: str | None = None,
    provider: str = "wiro",
    created_at: float = 1.5,
) -> None:
    given = record(task, tags=tags, title=title, provider=provider, created_at=created_at)
    await journal.create(given, submit(task, tags=tags, provider=provider))


async def seqs(journal: Journal, task: str) -> list[int]:
    return [entry.seq for entry in (await journal.read(task, after=0, limit=10_000)).entries]


def snapshot_of(journal: Journal, events: Sequence[Event]) -> Snapshot:
    return fold(begin(events[0], journal.epoch), events[1:])


def hear(journal: Journal) -> list[Entry]:
    """Return a list that every entry committed from now on is added to."""
    heard: list[Entry] = []
    journal.listen(lambda appended: heard.extend(entry for each in appended for entry in each.entries))
    return heard


# States


async def test_the_state_that_was_passed_with_events_is_returned_as_it_is(journal: Journal) -> None:
    """Without one it is folded, and that of a task that has ended is read."""
    events = [submit("a"), *logs("a", 2, 4), done("a", 5)]
    await create(journal, "a")
    states = [snapshot_of(journal, events[:count]) for count in range(1, 6)]

    await journal.append(events[1:2], folded=states[1])
    assert await journal.snapshot("a") is states[1]
    await journal.append(events[2:3])
    assert await journal.snapshot("a") == states[2]
    await journal.append(events[3:4], folded=states[3])
    assert await journal.snapshot("a") is states[3]
    await journal.append(events[4:], snapshot=states[4], folded=states[4])
    assert await journal.snapshot("a") == states[4]


async def test_the_states_of_several_tasks_are_returned_in_the_given_order(journal: Journal) -> None:
    """However each is known: passed with its events, folded or stored. Unknown tasks are left out."""
    expected = {}
    for number in range(60):
        task = f"t{number}"
        events = [submit(task), *logs(task, 2, 3), done(task, 4)][: 1 + number % 4]
        await create(journal, task)
        state = snapshot_of(journal, events)
        if events[1:]:
            passed = state if number % 3 else None
            await journal.append(events[1:], folded=passed, snapshot=state if number % 2 else None)
        expected[task] = state
    asked = [*reversed(expected), "unknown", "t5"]
    await journal.append(logs("t0", 2, 2))
    expected["t0"] = snapshot_of(journal, [submit("t0"), *logs("t0", 2, 2)])

    assert await journal.snapshots(asked) == tuple(expected[task] for task in asked if task in expected)
    assert await journal.snapshots([]) == ()
    assert await journal.snapshots(["unknown"]) == ()


async def test_a_state_that_is_not_the_one_after_the_events_is_refused(journal: Journal) -> None:
    """It would hide events from readers."""
    await create(journal, "a")
    with pytest.raises(ValueError, match="the snapshot is of a at seq 1"):
        await journal.append(logs("a", 2, 2), folded=snapshot_of(journal, [submit("a")]))


# Writing


async def test_create_adds_a_task_with_its_first_event(journal: Journal) -> None:
    """Both can be read as soon as it returns."""
    given = record("a", tags=("z", "b", "z"))
    first = submit("a", tags=("z", "b", "z"))
    await journal.create(given, first)

    assert await journal.stored_task("a") == given
    assert (await journal.read("a", after=0, limit=10)).entries == (Entry.of(first),)
    assert await journal.snapshot("a") == begin(first, journal.epoch)


async def test_an_id_is_used_once(journal: Journal) -> None:
    """A second `create` with the id is refused and changes nothing."""
    await create(journal, "a", tags=("one",))
    heard = hear(journal)

    with pytest.raises(ValueError, match="already"):
        await create(journal, "a", tags=("two",))

    assert await journal.stored_task("a") == record("a", tags=("one",))
    assert await seqs(journal, "a") == [1]
    assert await journal.page(Filter(tag="two"), after=None, limit=10) == ()
    assert heard == []


@pytest.mark.parametrize("first", [logs("a", 2, 2)[0], submit("b")], ids=["not seq 1", "another task's"])
async def test_a_log_starts_with_its_own_event_at_seq_1(journal: Journal, first: Event) -> None:
    """Otherwise no task is created."""
    with pytest.raises(ValueError, match="starts"):
        await journal.create(record("a"), first)

    assert await journal.stored_task("a") is None
    assert await seqs(journal, "a") == []


async def test_of_concurrent_creates_of_one_id_one_succeeds(journal: Journal) -> None:
    """All others raise ValueError."""
    results = await asyncio.gather(*(create(journal, "a") for _ in range(10)), return_exceptions=True)

    assert sum(result is None for result in results) == 1
    assert sum(isinstance(result, ValueError) for result in results) == 9


async def test_events_are_stored_in_order_byte_for_byte(journal: Journal) -> None:
    """They are read in the encoding that viewers receive."""
    await create(journal, "a")
    await journal.append(logs("a", 2, 4))
    await journal.append([done("a", 5)])

    history = await journal.read("a", after=0, limit=10)

    given = [submit("a"), *logs("a", 2, 4), done("a", 5)]
    assert [entry.body for entry in history.entries] == [encode_event(one) for one in given]
    assert list(history.entries) == [Entry.of(one) for one in given]
    assert [entry.event for entry in history.entries] == given
    assert history.first_seq == 1


@pytest.mark.parametrize(
    "events",
    [
        logs("a", 3, 4),
        logs("a", 1, 2),
        [*logs("a", 2, 2), *logs("a", 4, 4)],
        [*logs("a", 2, 2), *logs("b", 3, 3)],
        [*logs("a", 2, 3), *logs("a", 3, 3)],
        logs("unknown", 1, 2),
        logs("unknown", 2, 2),
    ],
    ids=["gap before", "seq taken", "gap inside", "two tasks", "repeat inside", "unknown at 1", "unknown at 2"],
)
async def test_an_append_out_of_order_is_refused_as_a_whole(journal: Journal, events: list[Event]) -> None:
    """No event, upstream id or state of it is stored."""
    await create(journal, "a")
    await create(journal, "b")
    heard = hear(journal)

    with pytest.raises(ValueError):
        await journal.append(events, upstream=UpstreamTask(upstream_id="7", socket_token="s"))

    assert [await seqs(journal, task) for task in ("a", "b", "unknown")] == [[1], [1], []]
    assert await journal.stored_task("a") == record("a")
    assert len(await journal.page(Filter(states=(State.SUBMITTING,)), after=None, limit=10)) == 2
    assert heard == []


@pytest.mark.parametrize("last", [2, 4])
async def test_a_snapshot_must_be_the_one_after_the_last_event(journal: Journal, last: int) -> None:
    """One of another seq would trim or repeat events. The whole append is refused."""
    await create(journal, "a")

    with pytest.raises(ValueError, match="snapshot"):
        await journal.append(logs("a", 2, 3), snapshot=snapshot_of(journal, [submit("a"), *logs("a", 2, last)]))

    assert await seqs(journal, "a") == [1]


async def test_an_append_that_cannot_be_encoded_is_refused_as_a_whole(journal: Journal) -> None:
    """A lone surrogate refuses the events before it, too."""
    await create(journal, "a")
    broken = event("a", 3, LogOutput(log=Log(stream="stdout", text="\ud800")))

    with pytest.raises((TypeError, ValueError)):
        await journal.append([*logs("a", 2, 2), broken])

    assert await seqs(journal, "a") == [1]
    await journal.append(logs("a", 2, 2))
    assert await seqs(journal, "a") == [1, 2]


async def test_events_are_not_committed_without_the_rest_of_the_append(journal: Journal) -> None:
    """If the snapshot or the upstream id cannot be encoded, the events are not stored either."""
    await create(journal, "a")
    events = [submit("a"), *logs("a", 2, 2)]
    broken = replace(snapshot_of(journal, events), log=(Log(stream="stdout", text="\ud800"),))

    with pytest.raises((TypeError, ValueError)):
        await journal.append(events[1:], snapshot=broken)
    with pytest.raises((TypeError, ValueError)):
        await journal.append(events[1:], upstream=UpstreamTask(upstream_id="\ud800", socket_token=None))

    assert await seqs(journal, "a") == [1]
    assert await journal.snapshot("a") == snapshot_of(journal, events[:1])


async def test_an_append_without_events_does_nothing(journal: Journal) -> None:
    """It does not write, and listeners are not called."""
    await create(journal, "a")
    heard = hear(journal)

    await journal.append([], upstream=UpstreamTask(upstream_id="7", socket_token=None))

    assert heard == []
    assert await journal.stored_task("a") == record("a")


async def test_an_append_is_seen_whole_or_not_at_all(journal: Journal) -> None:
    """A concurrent reader never sees some of its events."""
    await create(journal, "a")
    appending = asyncio.create_task(journal.append(logs("a", 2, 201)))
    seen = set()
    while not appending.done():
        seen.add(len(await seqs(journal, "a")))
        await asyncio.sleep(0)
    seen.add(len(await seqs(journal, "a")))

    assert 201 in seen
    assert seen <= {1, 201}


async def test_the_upstream_id_is_stored_with_the_events(journal: Journal) -> None:
    """In the same commit. A later one replaces it."""
    await create(journal, "a")
    for seq, upstream in [
        (2, UpstreamTask(upstream_id="7", socket_token=None)),
        (3, UpstreamTask(upstream_id="7", socket_token="secret")),
    ]:
        await journal.append(logs("a", seq, seq), upstream=upstream)
        kept = await journal.stored_task("a")
        assert kept is not None
        assert kept.upstream == upstream
        assert "secret" not in repr(kept)


async def test_the_append_of_a_cancelled_caller_is_committed(journal: Journal) -> None:
    """The caller only stops waiting for it."""
    await create(journal, "a")
    heard = hear(journal)
    appending = asyncio.create_task(journal.append(logs("a", 2, 3)))
    await asyncio.sleep(0)
    appending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await appending

    await journal.append(logs("a", 4, 4))

    assert await seqs(journal, "a") == [1, 2, 3, 4]
    assert [entry.seq for entry in heard] == [2, 3, 4]


# Listening


async def test_listeners_are_called_before_the_append_returns(journal: Journal) -> None:
    """All of them, once and in order."""
    one, two = hear(journal), hear(journal)
    await create(journal, "a")
    assert [entry.seq for entry in one] == [1]

    await journal.append(logs("a", 2, 4))

    expected = [Entry.of(each) for each in (submit("a"), *logs("a", 2, 4))]
    assert one == expected
    assert two == expected


async def test_a_listener_receives_the_state_that_the_writer_passed(journal: Journal) -> None:
    """It comes with the entries of each task, also of the first and last; null if none was passed."""
    heard: list[Appended] = []
    journal.listen(heard.extend)
    events = [submit("a"), *logs("a", 2, 4), done("a", 5)]
    states = [snapshot_of(journal, events[:count]) for count in range(1, 6)]

    await create(journal, "a")
    await journal.append(events[1:3], folded=states[2])
    await journal.append(events[3:4])
    await journal.append(events[4:], snapshot=states[4], folded=states[4])

    assert [(each.task, len(each.entries)) for each in heard] == [("a", 1), ("a", 2), ("a", 1), ("a", 1)]
    assert [each.folded for each in heard] == [states[0], states[2], None, states[4]]


async def test_listeners_are_called_after_the_commit(journal: Journal) -> None:
    """A read that starts in a listener finds the entries."""
    reads: list[tuple[Entry, asyncio.Task[list[int]]]] = []

    def listen(appended: Sequence[Appended]) -> None:
        entries = [entry for each in appended for entry in each.entries]
        reads.extend((entry, asyncio.create_task(seqs(journal, entry.task))) for entry in entries)

    journal.listen(listen)
    await create(journal, "a")
    for seq in range(2, 20):
        await journal.append(logs("a", seq, seq))

    assert len(reads) == 19
    for entry, read in reads:
        assert entry.seq in await read


async def test_a_hundred_tasks_append_at_once(journal: Journal) -> None:
    """Each log is complete, and listeners receive it once and in order."""
    heard = hear(journal)

    async def write(task: str) -> None:
        await create(journal, task)
        for seq in range(2, 12, 2):
            await journal.append(logs(task, seq, seq + 1))

    tasks = [f"t{n}" for n in range(100)]
    await asyncio.gather(*map(write, tasks))

    for task in tasks:
        assert await seqs(journal, task) == list(range(1, 12))
        assert [entry.seq for entry in heard if entry.task == task] == list(range(1, 12))


async def test_listening_first_and_reading_second_misses_nothing(journal: Journal) -> None:
    """At any time, what was read and what listeners receive are the whole log."""
    await create(journal, "a")
    came = asyncio.Event()

    async def write() -> None:
        for seq in range(2, 302):
            await journal.append(logs("a", seq, seq))
            came.set()

    async def view() -> tuple[list[int], list[Entry]]:
        heard = hear(journal)
        return await seqs(journal, "a"), heard

    writing = asyncio.create_task(write())
    views = []
    while not writing.done():
        came.clear()  # no append is lost on us: the writer sets it again, its last time in the step in which it ends
        views.append(await view())
        await came.wait()

    assert len(views) > 3
    for read, heard in views:
        live = [entry.seq for entry in heard]
        assert live == sorted(set(live))
        assert read + [seq for seq in live if seq > read[-1]] == list(range(1, 302))


async def test_a_removed_listener_is_not_called(journal: Journal) -> None:
    """Removing it affects no other one, and may be done twice."""
    heard: list[Appended] = []
    stay = hear(journal)
    unlisten = journal.listen(heard.extend)
    again = journal.listen(heard.extend)
    await create(journal, "a")
    assert len(heard) == 2, "the same function listens twice"
    unlisten()
    unlisten()
    await journal.append(logs("a", 2, 2))
    again()
    await journal.append(logs("a", 3, 3))

    assert [each.entries[0].seq for each in heard] == [1, 1, 2]
    assert [entry.seq for entry in stay] == [1, 2, 3]


async def test_a_listener_may_remove_another_one(journal: Journal) -> None:
    """One that is removed during a call is not called any more."""
    heard: list[Appended] = []
    journal.listen(lambda _: unlisten())
    unlisten = journal.listen(heard.extend)

    await create(journal, "a")

    assert heard == []


# Reading


async def test_an_unknown_task_is_not_an_error(journal: Journal) -> None:
    """Reads return null or nothing."""
    assert await journal.stored_task("a") is None
    assert await journal.snapshot("a") is None
    history = await journal.read("a", after=0, limit=10)
    assert (history.entries, history.first_seq) == ((), 0)


async def test_a_read_starts_after_a_seq_and_ends_at_its_limit(journal: Journal) -> None:
    """`after` is excluded, and there is nothing beyond the end."""
    await create(journal, "a")
    await journal.append(logs("a", 2, 9))

    async def read(after: int, limit: int) -> list[int]:
        return [entry.seq for entry in (await journal.read("a", after=after, limit=limit)).entries]

    assert await read(0, 3) == [1, 2, 3]
    assert await read(3, 3) == [4, 5, 6]
    assert await read(8, 3) == [9]
    assert await read(9, 3) == []
    assert await read(50, 3) == []


async def test_a_snapshot_is_the_fold_of_all_events(journal: Journal) -> None:
    """With and without a stored one, before, at and after it."""
    events = [
        submit("a", tags=("x",)),
        *logs("a", 2, 3),
        event("a", 4, ProgressOutput(progress=Progress(percent=12.5))),
        *logs("a", 5, 39),
        done("a", 40),
    ]
    await journal.create(record("a", tags=("x",)), events[0])
    for end in range(2, 41):
        stored = snapshot_of(journal, events[:end]) if end in {5, 20, 40} else None
        await journal.append([events[end - 1]], snapshot=stored)
        assert await journal.snapshot("a") == snapshot_of(journal, events[:end])


async def test_trimming_keeps_the_last_events_before_the_snapshot(journal: Journal) -> None:
    """As many as `history_events`. Without a snapshot nothing is trimmed."""
    events = [submit("a"), *logs("a", 2, 60)]
    await create(journal, "a")
    await journal.append(events[1:30])
    assert (await journal.read("a", after=0, limit=1)).first_seq == 1

    await journal.append(events[30:31], snapshot=snapshot_of(journal, events[:31]))
    assert await seqs(journal, "a") == list(range(31 - HISTORY_EVENTS + 1, 32))
    assert (await journal.read("a", after=40, limit=1)).first_seq == 22

    await journal.append(events[31:])
    assert await seqs(journal, "a") == list(range(22, 61))
    assert await journal.snapshot("a") == snapshot_of(journal, events)


async def test_a_short_log_is_not_trimmed(journal: Journal) -> None:
    """A snapshot removes nothing if the log is within the limits."""
    events = [submit("a"), *logs("a", 2, HISTORY_EVENTS)]
    await create(journal, "a")
    await journal.append(events[1:], snapshot=snapshot_of(journal, events))

    assert await seqs(journal, "a") == list(range(1, HISTORY_EVENTS + 1))


async def test_trimming_keeps_the_size_limit(journal: Journal) -> None:
    """Large events leave room for fewer. The newest ones are kept, and the state is complete."""
    large = LogOutput(log=Log(stream="stdout", text="ü" * 500))
    events = [submit("a"), *(event("a", seq, large) for seq in range(2, 9))]
    await create(journal, "a")
    await create(journal, "b")
    await journal.append(logs("b", 2, 4))
    await journal.append(events[1:], snapshot=snapshot_of(journal, events))

    kept = (await journal.read("a", after=0, limit=100)).entries
    size_bytes = sum(len(entry.body) for entry in kept)
    assert [entry.seq for entry in kept] == list(range(9 - len(kept), 9))
    assert size_bytes <= HISTORY_BYTES < size_bytes + len(kept[0].body)
    assert await journal.snapshot("a") == snapshot_of(journal, events)
    assert await seqs(journal, "b") == [1, 2, 3, 4]


async def test_a_log_whose_last_event_is_too_large_continues(journal: Journal) -> None:
    """No event is kept, and the next seq is still the next one."""
    events = [submit("a"), event("a", 2, LogOutput(log=Log(stream="stdout", text="x" * HISTORY_BYTES)))]
    await create(journal, "a")
    await journal.append(events[1:], snapshot=snapshot_of(journal, events))
    assert (await journal.read("a", after=0, limit=10)).first_seq == 3

    await journal.append(logs("a", 3, 3))

    assert await seqs(journal, "a") == [3]


async def test_a_log_without_history_continues(start: Callable[[int], Awaitable[Journal]]) -> None:
    """If no event is kept, the snapshot has the last seq."""
    journal = await start(0)
    events = [submit("a"), *logs("a", 2, 5)]
    await create(journal, "a")
    await journal.append(events[1:3], snapshot=snapshot_of(journal, events[:3]))
    history = await journal.read("a", after=0, limit=10)
    assert (history.entries, history.first_seq) == ((), 4)

    with pytest.raises(ValueError):
        await journal.append(events[4:])
    await journal.append(events[3:])

    assert await seqs(journal, "a") == [4, 5]
    assert await journal.snapshot("a") == snapshot_of(journal, events)


# Lists


async def test_a_list_is_newest_first_in_pages(journal: Journal) -> None:
    """Pages follow each other without gaps or repetitions, even among tasks created at the same time."""
    ages = {"a": 3.25, "b": 1.0, "c": 3.25, "d": 3.25, "e": 2.0, "f": 9.0}
    for task, created_at in ages.items():
        await create(journal, task, created_at=created_at)

    for limit in range(1, 8):
        found: list[ListPosition] = []
        after: ListPosition | None = None
        while page := await journal.page(Filter(), after=after, limit=limit):
            assert len(page) <= limit
            found.extend(page)
            after = page[-1]
        assert found == [ListPosition(created_at=ages[task], id=task) for task in ("f", "d", "c", "a", "e", "b")]


async def test_a_page_may_start_at_a_position_without_a_task(journal: Journal) -> None:
    """The task may have been deleted."""
    await create(journal, "a", created_at=1.0)
    await create(journal, "c", created_at=1.0)

    page = await journal.page(Filter(), after=ListPosition(created_at=1.0, id="b"), limit=10)

    assert [place.id for place in page] == ["a"]


async def test_a_list_has_the_tasks_that_meet_all_conditions(journal: Journal) -> None:
    """The state is that after the last event, and one tag of several is enough."""
    await create(journal, "a", created_at=1.0, tags=("x", "y"))
    await create(journal, "b", created_at=2.0, tags=("x",), provider="apikley")
    await create(journal, "c", created_at=3.0, tags=("y", "y"))
    await create(journal, "d", created_at=4.0)
    await journal.append(logs("b", 2, 2))
    await journal.append([*logs("c", 2, 2), done("c", 3)])

    async def ids(where: Filter) -> str:
        return "".join(place.id for place in await journal.page(where, after=None, limit=10))

    assert await ids(Filter()) == "dcba"
    assert await ids(Filter(tag="x")) == "ba"
    assert await ids(Filter(tag="y")) == "ca"
    assert await ids(Filter(tag="")) == ""
    assert await ids(Filter(provider="wiro")) == "dca"
    assert await ids(Filter(states=(State.SUBMITTING,))) == "da"
    assert await ids(Filter(states=(State.RUNNING,))) == "b"
    assert await ids(Filter(states=(State.SUCCEEDED,))) == "c"
    assert await ids(Filter(states=(State.SUBMITTING,), tag="x", provider="wiro")) == "a"
    assert await ids(Filter(states=(State.FAILED,), tag="x")) == ""


async def test_a_list_can_have_several_states(journal: Journal) -> None:
    """Newest first over all of them."""
    for number, task in enumerate("abcdef"):
        await create(journal, task, created_at=float(number))
    for task in "ae":
        await journal.append(logs(task, 2, 2))
    for task in "bf":
        await journal.append([done(task, 2)])

    async def ids(*states: State) -> str:
        return "".join(place.id for place in await journal.page(Filter(states=states), after=None, limit=10))

    assert await ids(State.RUNNING, State.SUCCEEDED) == "feba"
    assert await ids(State.SUCCEEDED, State.RUNNING, State.RUNNING) == "feba"
    assert await ids(*UNFINISHED) == "edca"
    assert await ids(*State) == "fedcba"


async def test_a_tag_with_several_states_is_listed_page_by_page(journal: Journal) -> None:
    """In order, without gaps and duplicates, also among tasks that were created at the same time."""
    states = [State.SUBMITTING, State.RUNNING, State.SUCCEEDED]
    for number in range(24):
        task = f"t{number:02}"
        await create(
            journal,
            task,
            tags=("x", "y") if number % 4 else ("y",),
            provider="wiro" if number % 2 else "apikley",
            created_at=float(number // 5),
        )
        if number % 3:
            await journal.append(logs(task, 2, 2))
        if number % 3 == 2:
            await journal.append([done(task, 3)])

    for chosen in ((State.RUNNING, State.SUCCEEDED), (State.SUCCEEDED, State.SUBMITTING), tuple(states), ()):
        expected = [
            f"t{number:02}" for number in range(24) if number % 4 and (not chosen or states[number % 3] in chosen)
        ]
        expected.sort(key=lambda task: (int(task[1:]) // 5, task), reverse=True)
        for limit in (1, 2, 3, 100):
            listed: list[ListPosition] = []
            where = Filter(tag="x", states=chosen)
            while page := await journal.page(where, after=listed[-1] if listed else None, limit=limit):
                listed += page
            assert [position.id for position in listed] == expected


async def test_a_state_changes_in_every_list_at_once(journal: Journal) -> None:
    """In those of all its tags, and in those that are limited by provider or model, too."""
    await create(journal, "a", tags=("x", "y"))
    await create(journal, "b", tags=("x",))
    await journal.append(logs("a", 2, 2))

    async def ids(where: Filter) -> str:
        return "".join(place.id for place in await journal.page(where, after=None, limit=10))

    for where in (
        Filter(tag="x"),
        Filter(tag="y"),
        Filter(provider="wiro"),
        Filter(model="o/m"),
        Filter(tag="y", model="O/M", provider="wiro"),
        Filter(words=("x",)),
        Filter(words=("y", "o")),
    ):
        assert await ids(replace(where, states=(State.RUNNING,))) == "a"
        assert "a" not in await ids(replace(where, states=(State.SUBMITTING,)))
    await journal.append([done("a", 3)])
    assert await ids(Filter(states=(State.RUNNING,), tag="y")) == ""
    assert await ids(Filter(states=(State.SUCCEEDED,), tag="y")) == "a"
    assert await journal.owned() == ("b",)


async def test_a_page_begins_after_its_cursor_even_if_that_task_is_gone(journal: Journal) -> None:
    """A task between two pages may be deleted, or be in another state by then. A cursor may be of another list, too."""
    for number, task in enumerate("abcde"):
        await end(journal, task, created_at=float(number), ended_at=10.0 + number)
    first = await journal.page(Filter(tag="t", states=(State.SUCCEEDED,)), after=None, limit=3)
    assert [place.id for place in first] == ["e", "d", "c"]
    assert await journal.prune(ended_before=12.5, limit=3) == ("a", "b", "c")
    await create(journal, "0", tags=("t",), created_at=2.0)
    await create(journal, "1", tags=("t",), created_at=0.5)

    async def ids(where: Filter, after: ListPosition) -> str:
        return "".join(place.id for place in await journal.page(where, after=after, limit=10))

    assert await ids(Filter(tag="t"), first[-1]) == "01"
    assert await ids(Filter(tag="t", until=2.0), first[-1]) == "1"
    assert await ids(Filter(until=4.0), first[0]) == "d01"
    assert await ids(Filter(since=1.0, until=9.0), first[-1]) == "0"


async def test_a_list_can_be_limited_in_time(journal: Journal) -> None:
    """The start is included, the end is not."""
    for task, created_at in (("a", 1.0), ("b", 2.0), ("c", 3.0)):
        await create(journal, task, created_at=created_at)

    async def ids(since: float | None, until: float | None) -> str:
        where = Filter(since=since, until=until)
        return "".join(place.id for place in await journal.page(where, after=None, limit=10))

    assert await ids(2.0, None) == "cb"
    assert await ids(None, 2.0) == "a"
    assert await ids(2.0, 3.0) == "b"
    assert await ids(2.0, 2.0) == ""
    assert await ids(0.5, 9.5) == "cba"


async def test_a_deleted_task_is_not_found_by_words_and_the_others_still_are(journal: Journal) -> None:
    """Words that only it had are removed from the index; shared ones stay."""
    await create(journal, "a", created_at=1.0, tags=("shared", "own"))
    await create(journal, "b", created_at=2.0, tags=("shared",))
    events = [submit("a", tags=("shared", "own")), done("a", 2)]
    await journal.append(events[1:], snapshot=snapshot_of(journal, events))
    assert await journal.prune(ended_before=1e9, limit=10) == ("a",)

    async def ids(*words: str) -> str:
        return "".join(place.id for place in await journal.page(Filter(words=words), after=None, limit=10))

    assert (await ids("own"), await ids("shared"), await ids("o")) == ("", "b", "b")  # its model is o/m
    await create(journal, "c", created_at=3.0, tags=("own",))
    assert await ids("own") == "c"


async def test_a_title_is_stored_and_found_by_its_words(journal: Journal) -> None:
    """Until its task is deleted; with or without words that other tasks have in their tags."""
    await create(journal, "a", created_at=1.0, title="Über a Long-Winded ﬁx, ﷺ", tags=("fox",))
    await create(journal, "b", created_at=2.0, tags=("long-video",))
    await create(journal, "c", created_at=3.0, title="A long fox")
    stored = await journal.stored_task("a")
    assert stored is not None
    assert stored.title == "Über a Long-Winded ﬁx, ﷺ"

    async def ids(*words: str) -> str:
        return "".join(place.id for place in await journal.page(Filter(words=words), after=None, limit=10))

    assert (await ids("long"), await ids("long-w"), await ids("wind"), await ids("über")) == ("cba", "a", "a", "a")
    assert (await ids("fix"), await ids("inded"), await ids("fox", "long"), await ids("fox", "wi")) == (
        *("a", "", "ca", "a"),
    )
    events = [submit("a"), done("a", 2)]
    await journal.append(events[1:], snapshot=snapshot_of(journal, events))
    assert await journal.prune(ended_before=1e9, limit=10) == ("a",)
    assert (await ids("long"), await ids("wind"), await ids("fox")) == ("cb", "", "c")


async def test_the_longest_title_is_stored_and_found(journal: Journal) -> None:
    """Also if its characters take many bytes, or are several in their compatible form."""
    await create(journal, "a", title="\ufdfa" * 200)
    await create(journal, "b", title="🚀" * 200)
    for word, found in (("\ufdfa", "a"), ("🚀" * 200, "b")):
        places = await journal.page(Filter(words=query_words(word)), after=None, limit=10)
        assert [place.id for place in places] == [found]


async def test_the_beginnings_of_prompts_are_read_at_once(journal: Journal) -> None:
    """Of at most 200 UTF-16 units, without half of a character; of the tasks that have one."""
    given: dict[str, dict[str, object]] = {
        "a": {"prompt": f"  {'x' * 199}🚀 and more"},
        "b": {"prompt": " \0ä\n"},
        "c": {"prompt": 7},
        "d": {"text": "no prompt"},
        "e": {"prompt": "not asked for"},
    }
    for task, input_ in given.items():
        await journal.create(replace(record(task), input=input_), submit(task))
    assert await journal.prompts(["d", "c", "b", "a", "unknown"]) == {"a": "x" * 199, "b": "\ufffdä"}
    assert await journal.prompts([]) == {}


def stall(task: str, seq: int, *, ends: bool = False) -> Event:
    data = Stall(silent_s=60.0, checked="nothing new")
    return event(task, seq, data, type="stall_end" if ends else "stall")


async def test_stalled_tasks_are_listed_and_counted(journal: Journal) -> None:
    """From the stall on, until it or the task ends."""
    for number, task in enumerate("abcd"):
        await create(journal, task, created_at=float(number), tags=("t",))
        await journal.append([*logs(task, 2, 2), *([stall(task, 3)] if task != "d" else [])])

    async def ids(where: Filter) -> str:
        return "".join(place.id for place in await journal.page(where, after=None, limit=10))

    stalled, others = Filter(stalled=True, tag="t"), Filter(stalled=False)
    assert (await ids(stalled), await ids(others)) == ("cba", "d")
    assert await ids(replace(stalled, words=("a",))) == "a"
    assert (await journal.count(stalled, limit=2))[State.RUNNING] == 2
    await journal.append([stall("a", 4, ends=True)])
    await journal.append([done("b", 4)])
    assert (await ids(stalled), await ids(others)) == ("c", "dba")
    assert await ids(replace(stalled, model="p/other")) == await ids(replace(stalled, provider="apikley")) == ""
    assert (await journal.page(stalled, after=ListPosition(created_at=2.0, id="c"), limit=1)) == ()


async def test_tasks_are_counted_by_state(journal: Journal) -> None:
    """All of them, or at most a number of each state; those that match a filter."""
    for number in range(6):
        await create(
            journal, f"t{number}", tags=("x",), provider="wiro" if number % 2 else "apikley", created_at=number
        )
        if number > 2:
            await journal.append([*logs(f"t{number}", 2, 2), *([done(f"t{number}", 3)] if number == 5 else [])])

    async def counts(where: Filter, limit: int | None = None) -> tuple[int, int, int]:
        found = await journal.count(where, limit=limit)
        return found.get(State.SUBMITTING, 0), found.get(State.RUNNING, 0), found.get(State.SUCCEEDED, 0)

    assert await counts(Filter()) == await counts(Filter(tag="x", model="O/M")) == (3, 2, 1)
    assert await counts(Filter(), limit=2) == await counts(Filter(words=("t",)), limit=2) == (2, 2, 1)
    assert await counts(Filter(model="o/m"), limit=2) == (2, 2, 1)
    assert await counts(Filter(provider="wiro", states=(State.RUNNING, State.SUCCEEDED))) == (0, 1, 1)
    assert await counts(Filter(since=2.0, until=4.0, words=("x",))) == (1, 1, 0)
    assert await counts(Filter(tag="y")) == await counts(Filter(tag="")) == (0, 0, 0)


MODELS = ("o/seedream-v4", "O/Seedream-v4", "o/video-one", "p/other")
NAMES = ("long-video", "video", "Frühling", "straße", "a b", "shop:7", "🚀")
TITLES = (None, "A video of Oslo", "t1 Straße", "long-video long")
ASKED = ("v", "vid", "long-v", "früh", "strasse", "seedream", "o", "o/s", "7", "b", "🚀", "t", "t1", "zzz")
MANY = st.lists(
    st.tuples(
        st.sampled_from(MODELS),
        st.sets(st.sampled_from(NAMES), max_size=3),
        st.sampled_from(TITLES),
        st.integers(0, 4),
        st.integers(0, 3),
    ),
    max_size=12,
)
WHERES = st.builds(
    Filter,
    stalled=st.sampled_from([None, None, True, False]),
    states=st.lists(st.sampled_from([State.SUBMITTING, State.RUNNING, State.SUCCEEDED]), max_size=3).map(tuple),
    tag=st.sampled_from([None, *NAMES]),
    provider=st.sampled_from([None, "wiro", "apikley"]),
    model=st.sampled_from([None, *MODELS]),
    since=st.sampled_from([None, 0.0, 1.0, 2.0]),
    until=st.sampled_from([None, 1.0, 3.0]),
    words=st.lists(st.sampled_from(ASKED), max_size=2).map(tuple),
)


@pytest.mark.parametrize(
    ("few", "max_ranges", "counted"),
    [(2000, 64, 50_000), (0, 64, 50_000), (2, 8, 2), (0, 0, 0)],
    ids=["few tasks with the word", "ranges of the word", "any choice", "the whole list"],
)
@settings(max_examples=60, deadline=None)
@given(tasks=MANY, wheres=st.lists(WHERES, min_size=1, max_size=8), limit=st.integers(1, 4))
def test_both_journals_list_the_same(
    few: int,
    max_ranges: int,
    counted: int,
    tasks: list[tuple[str, set[str], str | None, int, int]],
    wheres: list[Filter],
    limit: int,
) -> None:
    """Any tasks and any filter, page by page, with each choice of a search in SQLite."""

    async def listed(journal: Journal) -> tuple[list[list[ListPosition]], list[dict[State, int]]]:
        await journal.open(lock=False)
        try:
            for number, (model, tags, title, state, created_at) in enumerate(tasks):
                task, provider = f"t{number}", "wiro" if number % 2 else "apikley"
                record = StoredTask(
                    id=task,
                    provider=provider,
                    model=model,
                    created_at=float(created_at),
                    tags=tuple(tags),
                    title=title,
                    input={},
                    metadata={},
                )
                await journal.create(record, submit(task, tags=tuple(tags), provider=provider))
                more = [[], [], [done(task, 3)], [stall(task, 3)], [stall(task, 3), stall(task, 4, ends=True)]][state]
                if state:
                    await journal.append([*logs(task, 2, 2), *more])
            found = []
            counts = []
            for where in wheres:
                counts.append({each: n for each, n in (await journal.count(where, limit=limit)).items() if n})
                pages: list[ListPosition] = []
                while page := await journal.page(where, after=pages[-1] if pages else None, limit=limit):
                    pages += page
                found.append(pages)
            return found, counts
        finally:
            await journal.close()

    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "FEW", few)
        patch.setattr(search, "MAX_RANGES", max_ranges)
        patch.setattr(search, "COUNTED", counted)
        stored = asyncio.run(listed(SQLiteJournal(Path(folder) / "relay.db")))
        kept = asyncio.run(listed(MemoryJournal()))
    assert stored == kept


async def test_unfinished_tasks_are_listed_oldest_first(journal: Journal) -> None:
    """Those whose last event has not ended them."""
    for task, created_at in [("a", 5.0), ("b", 2.0), ("c", 9.0), ("d", 2.0), ("e", 3.0)]:
        await create(journal, task, created_at=created_at)
    await journal.append([done("e", 2)])
    await journal.append(logs("c", 2, 2))

    assert await journal.owned() == ("b", "d", "a", "c")


# What is kept besides


async def test_a_secret_is_stored_once(journal: Journal) -> None:
    """All callers get the first value. Names are independent of each other."""
    epoch = journal.epoch
    values = await asyncio.gather(*(journal.keep_secret("key", f"v{n}") for n in range(20)))

    assert len(set(values)) == 1
    assert await journal.keep_secret("key", "later") == values[0]
    assert await journal.keep_secret("epoch", "another") == "another"
    assert journal.epoch == epoch


async def test_the_logs_of_new_tasks_are_complete(journal: Journal) -> None:
    """Unless the clocks differ by more than half a minute."""
    assert journal.complete_since < time.time() + 60.0


async def test_the_epoch_is_a_word(journal: Journal) -> None:
    """It can be the part of a cursor before the colon."""
    assert journal.epoch.isalnum()


async def test_a_closed_journal_raises(make: Make) -> None:
    """Every call before `open` and after `close` is a RuntimeError; `close` may be called again."""
    journal = make(HISTORY_EVENTS)

    async def check() -> None:
        for call in (
            journal.create(record("z"), submit("z")),
            journal.append(logs("a", 2, 2)),
            journal.stored_task("a"),
            journal.snapshot("a"),
            journal.snapshots(["a"]),
            journal.read("a", after=0, limit=1),
            journal.page(Filter(), after=None, limit=1),
            journal.owned(),
            journal.prune(ended_before=1.0, limit=1),
            journal.size_bytes(),
            journal.keep_secret("key", "value"),
        ):
            with pytest.raises(RuntimeError, match="not open"):
                await call
        with pytest.raises(RuntimeError, match="not open"):
            _ = journal.epoch

    await check()
    await journal.open(lock=True)
    await create(journal, "a")
    await asyncio.gather(journal.close(), journal.close())
    await check()
    await journal.close()


async def test_a_journal_that_was_never_opened_can_be_closed(make: Make) -> None:
    """Cleaning up does not require knowing how far opening got."""
    await make(HISTORY_EVENTS).close()


async def test_close_commits_pending_appends(journal: Journal) -> None:
    """They return, and listeners receive them."""
    await create(journal, "a")
    heard = hear(journal)
    appending = [asyncio.create_task(journal.append(logs("a", seq, seq))) for seq in range(2, 50)]
    await asyncio.sleep(0)

    await journal.close()

    assert [entry.seq for entry in heard] == list(range(2, 50))
    await asyncio.gather(*appending)


async def test_a_task_is_found_by_its_callback_secret(journal: Journal) -> None:
    """Only among the tasks of its provider."""
    await journal.create(record("a", hook="word-a"), submit("a"))
    await journal.create(record("b", hook="word-b"), submit("b"))
    assert await journal.find_hook("wiro", "word-b") == "b"
    assert await journal.find_hook("other", "word-b") is None
    assert await journal.find_hook("wiro", "word-c") is None
    kept = await journal.stored_task("a")
    assert kept is not None
    assert kept.hook == "word-a"


async def test_a_task_is_found_by_its_upstream_id_or_its_socket_token(journal: Journal) -> None:
    """Either is enough, and null equals nothing."""
    await journal.create(record("a"), submit("a"))
    await journal.create(record("b"), submit("b"))
    await journal.append(logs("a", 2, 2), upstream=UpstreamTask(upstream_id="7", socket_token="t7"))
    await journal.append(logs("b", 2, 2), upstream=UpstreamTask(upstream_id="8", socket_token=None))
    assert await journal.find_upstream("wiro", UpstreamTask(upstream_id="7", socket_token=None)) == "a"
    assert await journal.find_upstream("wiro", UpstreamTask(upstream_id=None, socket_token="t7")) == "a"
    assert await journal.find_upstream("wiro", UpstreamTask(upstream_id="8", socket_token="x")) == "b"
    assert await journal.find_upstream("wiro", UpstreamTask(upstream_id=None, socket_token=None)) is None
    assert await journal.find_upstream("other", UpstreamTask(upstream_id="7", socket_token="t7")) is None


async def test_a_claim_is_stored_with_its_task_and_replaced_when_it_has_expired(journal: Journal) -> None:
    """A task that could not be created claims nothing."""
    first = Claim(key="k", digest="d1", task="a", at=1.0)
    await journal.create(record("a"), submit("a"), claim=first)
    assert await journal.find_claim("k") == first
    with pytest.raises(ValueError, match="already"):
        await journal.create(record("a"), submit("a"), claim=Claim(key="k", digest="d2", task="a", at=2.0))
    assert await journal.find_claim("k") == first
    second = Claim(key="k", digest="d2", task="b", at=3.0)
    assert (await journal.create(record("b"), submit("b"), claim=second, expired_before=1.5)).winner is None
    assert await journal.find_claim("k") == second


async def test_a_key_that_is_held_creates_nothing(journal: Journal) -> None:
    """The caller receives the claim of the task that holds it, and no listener is called."""
    first = Claim(key="k", digest="d1", task="a", at=1.0)
    await journal.create(record("a"), submit("a"), claim=first)
    heard = hear(journal)
    for expired_before in (1.0, -math.inf):
        late = Claim(key="k", digest="d2", task="b", at=2.0)
        created = await journal.create(record("b"), submit("b"), claim=late, expired_before=expired_before)
        assert created.winner == first
    assert await journal.find_claim("k") == first
    assert await journal.stored_task("b") is None
    assert heard == []


async def test_a_refused_task_frees_its_own_key_only(journal: Journal) -> None:
    """In the commit of its end. A newer task under the same key keeps it."""
    for task, at in (("a", 1.0), ("b", 2.0)):
        claim = Claim(key="k", digest="d", task=task, at=at)
        await journal.create(record(task), submit(task), claim=claim, expired_before=at)
    await journal.append([done("a", 2)], frees_key=True)
    kept = await journal.find_claim("k")
    assert kept is not None
    assert kept.task == "b"
    await journal.append([done("b", 2)], frees_key=True)
    assert await journal.find_claim("k") is None


async def test_an_upstream_task_belongs_to_one_task(journal: Journal) -> None:
    """Its id and its socket token. Another provider's task may have the same id. Nothing of a refusal is stored."""
    upstream = UpstreamTask(upstream_id="7", socket_token="t7")
    await journal.create(record("a"), submit("a"))
    await journal.append(logs("a", 2, 2), upstream=upstream)
    await journal.append(logs("a", 3, 3), upstream=upstream)
    await journal.create(record("b"), submit("b"))
    for same in (replace(upstream, socket_token=None), replace(upstream, upstream_id=None)):
        with pytest.raises(Taken):
            await journal.append(logs("b", 2, 2), upstream=same)
        with pytest.raises(Taken):
            await journal.create(replace(record("c"), upstream=same), submit("c"))
    assert await journal.stored_task("c") is None
    await journal.append(logs("b", 2, 2), upstream=UpstreamTask(upstream_id="8", socket_token=None))
    await journal.create(replace(record("d"), provider="apikley", upstream=upstream), submit("d"))
    assert await journal.find_upstream("apikley", upstream) == "d"
    assert await journal.find_upstream("wiro", upstream) == "a"


async def test_a_synced_append_is_committed_like_any_other(journal: Journal) -> None:
    """Listeners receive it, too."""
    heard = hear(journal)
    await journal.create(record("a"), submit("a"))
    await journal.append(logs("a", 2, 3), synced=True)
    assert [entry.seq for entry in heard] == [1, 2, 3]


async def test_queued_tasks_are_listed_first_in_first_out(journal: Journal) -> None:
    """By provider. A task that is not queued any more is left out, and so is one that never was."""
    await create(journal, "d")
    for task, created_at, provider in (
        ("c", 3.0, "wiro"),
        ("a", 1.0, "wiro"),
        ("x", 2.0, "apikley"),
        ("b", 2.0, "wiro"),
    ):
        await create(journal, task, provider=provider, created_at=created_at)
        await journal.append([event(task, 2, Hold(reason="full", position=1), type="hold", state=State.HELD)])
    assert await journal.queued("wiro") == ("a", "b", "c")
    await journal.append([event("a", 3, LogOutput(log=Log(stream="stdout", text="x")))])
    assert await journal.queued("wiro") == ("b", "c")


# Removing


async def end(journal: Journal, task: str, *, created_at: float, ended_at: float) -> None:
    """Create a task with a tag, a callback secret and a claim, and end it."""
    await journal.create(
        record(task, tags=("t",), created_at=created_at, hook=f"hook-{task}"),
        submit(task, tags=("t",)),
        claim=Claim(key=f"key-{task}", digest="d", task=task, at=created_at),
    )
    last = replace(done(task, 2), at=ended_at)
    upstream = UpstreamTask(upstream_id=f"up-{task}", socket_token=None)
    await journal.append([last], snapshot=snapshot_of(journal, [submit(task, tags=("t",)), last]), upstream=upstream)


async def test_a_pruned_task_is_deleted_with_all_its_data(journal: Journal) -> None:
    """No call finds it, its idempotency key is free, and other tasks are unchanged."""
    await end(journal, "a", created_at=1.0, ended_at=10.0)
    await end(journal, "b", created_at=2.0, ended_at=30.0)

    assert await journal.prune(ended_before=20.0, limit=5) == ("a",)

    assert (await journal.stored_task("a"), await journal.snapshot("a")) == (None, None)
    assert await journal.read("a", after=0, limit=5) == History(entries=(), first_seq=0)
    assert await journal.find_hook("wiro", "hook-a") is None
    assert await journal.find_claim("key-a") is None
    assert await journal.find_upstream("wiro", UpstreamTask(upstream_id="up-a", socket_token=None)) is None
    assert [place.id for place in await journal.page(Filter(tag="t"), after=None, limit=5)] == ["b"]
    assert await seqs(journal, "b") == [1, 2]
    assert await journal.find_claim("key-b") is not None
    await end(journal, "a", created_at=1.0, ended_at=10.0)  # its place is free
    assert await seqs(journal, "a") == [1, 2]


async def test_only_tasks_that_ended_before_are_pruned(journal: Journal) -> None:
    """Running tasks stay, however old. The age of a task counts from its end."""
    await create(journal, "runs", created_at=1.0)
    await end(journal, "late", created_at=2.0, ended_at=50.0)
    await end(journal, "early", created_at=3.0, ended_at=10.0)

    assert await journal.prune(ended_before=50.0, limit=5) == ("early",)
    assert await journal.prune(ended_before=50.5, limit=5) == ("late",)
    assert await journal.prune(ended_before=1e9, limit=5) == ()
    assert await journal.owned() == ("runs",)


async def test_the_oldest_are_pruned_first_up_to_a_limit(journal: Journal) -> None:
    """So that one call is short."""
    for task, created_at in (("c", 3.0), ("a", 1.0), ("b", 2.0)):
        await end(journal, task, created_at=created_at, ended_at=10.0)

    assert await journal.prune(ended_before=20.0, limit=2) == ("a", "b")
    assert await journal.prune(ended_before=20.0, limit=2) == ("c",)


async def test_a_pruned_task_takes_no_space(journal: Journal) -> None:
    """The size is what it was before the task."""
    await create(journal, "z")
    before = await journal.size_bytes()
    big = [event("a", seq, LogOutput(log=Log(stream="stdout", text="x" * 1000))) for seq in range(2, 100)]
    await create(journal, "a")
    await journal.append(big)
    assert await journal.size_bytes() > before + 98_000
    last = done("a", 100)
    await journal.append([last], snapshot=snapshot_of(journal, [submit("a"), *big, last]))

    assert await journal.prune(ended_before=1e9, limit=1) == ("a",)

    assert await journal.size_bytes() <= before + 3 * 4096


async def test_the_time_saved_last_is_returned(journal: Journal) -> None:
    """Null before the first, if there is no task either."""
    assert await journal.saved_time() is None
    for at in (1000.25, 900.5):
        await journal.save_time(at)
        assert await journal.saved_time() == at


async def test_a_journal_that_works_passes_its_check(journal: Journal) -> None:
    """However often it is checked."""
    assert await asyncio.gather(*(journal.check() for _ in range(3))) == [None] * 3


async def test_a_journal_that_works_fails_at_nothing(journal: Journal) -> None:
    """Its commits are counted, unless they are instant."""
    before = sum(journal.commits.durations.counts)
    await journal.save_time(1.0)
    load = journal.load
    assert (load.queued, load.failing) == (0, frozenset())
    assert load.lag_s >= 0
    assert journal.commits.running_s == 0
    assert sum(journal.commits.durations.counts) >= before
