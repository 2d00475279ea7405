"""Lists in PostgreSQL are those of the journal in memory, whichever way a search is executed."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from relay.clock import uptime_s
from relay.core.events import Stall, State
from relay.errors import StoreTimeout
from relay.journal.base import UNFINISHED, Journal
from relay.journal.lists import Filter, ListPosition
from relay.journal.memory import MemoryJournal
from relay.journal.postgres import search
from relay.journal.postgres.journal import PostgresJournal
from relay.journal.postgres.reader import LIMIT_S
from tests.journal.postgres.records import event, record, submit, waiting

if TYPE_CHECKING:
    from relay.journal.postgres.connection import Connection

MODELS = ("o/seedream-v4", "O/Seedream-v4", "o/video-one", "p/other")
TAGS = ("long-video", "video", "Frühling", "straße", "a b", "shop:7", "🚀")
WORDS = ("v", "vid", "long-v", "früh", "strasse", "seedream", "o", "o/s", "7", "b", "🚀", "t", "t1", "zzz")
TITLES = (None, None, "A video of Oslo", "t1 Straße", "long-video long")
STATES = (State.HELD, State.RUNNING, State.SUCCEEDED)


async def fill(journal: Journal, chance: random.Random) -> None:
    """Create tasks of all kinds."""
    for number in range(60):
        task, provider = f"t{number}", chance.choice(["wiro", "apikley"])
        tags = tuple(chance.sample(TAGS, chance.randint(0, 3)))
        given = replace(
            record(task, provider, created_at=float(chance.randint(0, 9))), model=chance.choice(MODELS), tags=tags
        )
        given = replace(given, title=chance.choice(TITLES))
        await journal.create(given, submit(task, provider))
        states = STATES[: chance.randint(0, 3)]
        for seq, state in enumerate(states, 2):
            await journal.append([event(task, seq, state)])
            if state is State.RUNNING and len(states) == 2 and chance.random() < 0.5:
                data = Stall(silent_s=60.0, checked="nothing new")
                await journal.append([replace(event(task, seq + 1, state), type="stall", data=data)])


def any_filter(chance: random.Random) -> Filter:
    """Return a filter with some conditions."""
    return Filter(
        stalled=chance.choice([None, None, None, True, False]),
        states=tuple(chance.choices((State.SUBMITTING, *STATES), k=chance.choice([0, 0, 1, 3]))),
        tag=chance.choice([None, None, *TAGS]),
        provider=chance.choice([None, "wiro", "apikley", "other"]),
        model=chance.choice([None, None, *MODELS]),
        since=chance.choice([None, 0.0, 2.0, 5.0]),
        until=chance.choice([None, 3.0, 8.0]),
        words=tuple(chance.choices(WORDS, k=chance.choice([0, 1, 2]))),
    )


async def pages(journal: Journal, where: Filter, limit: int) -> list[ListPosition]:
    """Return the whole list, which is read in pages."""
    found: list[ListPosition] = []
    while page := await journal.page(where, after=found[-1] if found else None, limit=limit):
        assert len(page) <= limit
        found += page
    return found


def nonzero(counts: Mapping[State, int]) -> dict[State, int]:
    """Return the counts without states that have no task."""
    return {state: count for state, count in counts.items() if count}


@pytest.mark.parametrize(
    ("few", "names"),
    [(0, 0), (0, 32), (10, 2), (2000, 32)],
    ids=["search the list", "merge ranges", "either", "look the word up"],
)
async def test_lists_are_those_of_the_journal_in_memory(
    journal: PostgresJournal, monkeypatch: pytest.MonkeyPatch, few: int, names: int
) -> None:
    """For any filter, in pages of any size."""
    monkeypatch.setattr(search, "FEW", few)
    monkeypatch.setattr(search, "MAX_NAMES", names)
    memory = MemoryJournal()
    await memory.open(lock=True)
    for each in (journal, memory):
        await fill(each, random.Random(few))
    chance = random.Random(few)
    lengths = []
    for where in [Filter(), Filter(states=UNFINISHED), *(any_filter(chance) for _ in range(120))]:
        limit = chance.choice([3, 7, 100])
        expected = await pages(memory, where, limit)
        assert await pages(journal, where, limit) == expected, where
        counts = [await each.count(where, limit=most) for each in (journal, memory) for most in (limit, None)]
        assert nonzero(counts[0]) == nonzero(counts[2]), where
        assert nonzero(counts[1]) == nonzero(counts[3]), where
        lengths.append(len(expected))
    assert sum(0 < length < 60 for length in lengths) > 20


async def test_a_search_that_takes_too_long_is_stopped(
    journal: PostgresJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although each of its statements is short."""
    for task, tag in (("a", "video"), ("b", "audio")):
        await journal.create(replace(record(task), tags=(tag,)), submit(task))
    monkeypatch.setattr(search, "FEW", 0)
    monkeypatch.setattr(search, "uptime_s", lambda: uptime_s() - LIMIT_S)  # it began some time ago
    with pytest.raises(StoreTimeout):
        await journal.page(Filter(words=("video", "audio")), after=None, limit=1)


async def test_words_that_no_task_has_any_more_are_removed(journal: PostgresJournal, sql: "Connection") -> None:
    """The others stay."""
    for task, tag in (("a", "shared-own"), ("b", "shared")):
        await journal.create(replace(record(task), tags=(tag,)), submit(task))
    await journal.append([event("a", 2, State.SUCCEEDED)])
    assert await journal.prune(ended_before=1e9, limit=5) == ("a",)
    assert {row["name"] for row in await sql.fetch("SELECT name FROM words")} == {"shared", "o/m"}


async def test_words_that_a_new_task_has_are_not_removed(journal: PostgresJournal, sql: "Connection") -> None:
    """Even if another node commits it at the same time."""
    await journal.create(replace(record("a"), tags=("own",)), submit("a"))
    await journal.append([event("a", 2, State.SUCCEEDED)])
    async with sql.transaction():
        await sql.execute('SELECT relay_add_words(ARRAY[\'["own", "own"]\'::json])')
        await sql.execute("INSERT INTO listed VALUES ('b', 'own', 'wiro', 'o/m', 'running', 1)")
        pruning = asyncio.create_task(journal.prune(ended_before=1e9, limit=5))
        await waiting(sql, "Lock", "relay errands")
    assert await pruning == ("a",)
    assert await sql.fetchval("SELECT count(*) FROM words WHERE name = 'own'") == 1
