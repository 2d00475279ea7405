"""
How lists are read from the file: from indexes, with a number of rows that does not depend on the number of tasks.

Covers ranges and search. What is listed is tested in tests/contract/.
"""

import asyncio
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from relay.core.events import Event, Source, State, Submit
from relay.core.snapshot import begin
from relay.core.upstream import UpstreamTask
from relay.journal.base import UNFINISHED, StoredTask
from relay.journal.batch import Batch
from relay.journal.lists import Filter, ListPosition
from relay.journal.sqlite import SQLiteJournal, search, tasks
from relay.journal.sqlite.listing import load_page

LIMIT = 5

FEW_TASKS = 400

STATES = (State.QUEUED, State.RUNNING, State.SUCCEEDED)
"""Those of the tasks. A failed one does not exist."""

EXACT = [
    Filter(states=states, tag=tag, provider=provider, model=model, since=since, until=until)
    for states, tag, provider, model, (since, until) in product(
        [(), (State.SUCCEEDED,), UNFINISHED, (State.FAILED, State.SUCCEEDED), (State.FAILED,)],
        [None, "shop", "other"],
        [None, "wiro", "apikley"],
        [None, "Maker/Common"],
        [(None, None), (100.0, 300.0)],
    )
]

SEARCHES = [
    Filter(words=("shop",)),
    Filter(words=("common",)),
    Filter(words=("shop", "common"), states=(State.FAILED, State.SUCCEEDED)),
    Filter(words=("a", "shop"), tag="other", model="maker/common", provider="wiro"),
    Filter(words=("none",)),
]


class Recording(sqlite3.Connection):
    """A connection that records its statements."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self.statements: list[tuple[str, Any]] = []
        self.steps = 0

    def execute(self, statement: str, values: Any = (), /) -> sqlite3.Cursor:
        self.statements.append((statement, values))
        return super().execute(statement, values)

    def plans(self) -> list[str]:
        """Return the query plans of the recorded statements, line by line."""
        recorded, self.statements = self.statements, []
        return [
            row[3]
            for each, values in recorded
            for row in sqlite3.Connection.execute(self, f"EXPLAIN QUERY PLAN {each}", values)
        ]

    def count_steps(self, where: Filter) -> int:
        """Return how many instructions of SQLite's virtual machine a page takes."""
        steps = 0

        def step() -> None:
            nonlocal steps
            steps += 1

        self.set_progress_handler(step, 1)
        load_page(self, where, None, LIMIT)
        self.set_progress_handler(None, 0)
        return steps


def make_file(path: Path, count: int) -> None:
    """Create a journal in which every combination of provider, model, tag and state of the tasks occurs."""

    async def create() -> None:
        journal = SQLiteJournal(path)
        await journal.open(lock=False)
        await journal.close()

    asyncio.run(create())
    combinations = list(
        product(["wiro", "apikley"], ["maker/common", "maker/rare"], ["shop", "other", "third"], STATES)
    )
    with closing(sqlite3.connect(path)) as connection, connection:
        for number in range(count):
            provider, model, tag, state = combinations[number % len(combinations)]
            submit = Submit(model=model, provider=provider, tags=(tag,))
            task = f"{number:x}"
            event = Event(
                type="submit", task=task, seq=1, state=state, at=float(number), source=Source.RELAY, data=submit
            )
            record = StoredTask(
                id=task, provider=provider, model=model, created_at=float(number), tags=(tag,), input={}, metadata={}
            )
            tasks.add_task(connection, record, Batch.of([event], folded=begin(event, "e")), None, 0.0)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lists") / "relay.db"
    make_file(path, FEW_TASKS)
    return path


@pytest.fixture
def connection(path: Path) -> Iterator[Recording]:
    with closing(sqlite3.connect(path, factory=Recording)) as connection:
        yield connection


@pytest.mark.parametrize("after", [None, ListPosition(created_at=200.0, id="c8")], ids=["first page", "later page"])
def test_a_list_without_words_is_read_from_indexes_alone(connection: Recording, after: ListPosition | None) -> None:
    """Whatever it is limited to. Nothing is scanned, sorted or looked up."""
    for where in EXACT:
        page = load_page(connection, where, after, LIMIT)
        if where.since is None and State.FAILED not in where.states[:1]:
            assert len(page) == LIMIT, where
        plans = connection.plans()
        assert not any("TEMP B-TREE" in line for line in plans), plans
        assert not [line for line in plans if re.match(r"SCAN (tasks|listed|l)\b", line)], plans
        for line in plans:
            if re.match(r"SEARCH (tasks|listed|l)\b", line):
                assert "USING COVERING INDEX listed_by_" in line


@pytest.mark.parametrize("few", [0, 2000], ids=["ranges", "few tasks"])
def test_a_search_scans_no_table(connection: Recording, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    """It reads ranges of indexes, or looks up tasks by their ids."""
    monkeypatch.setattr(search, "FEW", few)
    for where in SEARCHES:
        load_page(connection, where, None, LIMIT)
        plans = connection.plans()
        assert not [line for line in plans if re.match(r"SCAN (tasks|listed|words|l|g|w)\b", line)], plans


def test_the_work_for_a_page_does_not_depend_on_the_number_of_tasks(
    connection: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither for lists that have many tasks nor for those that have none."""
    monkeypatch.setattr(search, "FEW", 10)
    large = tmp_path / "large.db"
    make_file(large, 5 * FEW_TASKS)
    with closing(sqlite3.connect(large, factory=Recording)) as many:
        for where in (*EXACT, Filter(words=("shop",))):
            if where.since is None:
                assert many.count_steps(where) <= 1.2 * connection.count_steps(where) + 100, where


def test_a_task_is_found_on_the_platform_without_a_scan(connection: Recording) -> None:
    """By its id there or by its socket token. Neither do the unfinished tasks need one."""
    tasks.find_upstream(connection, "wiro", UpstreamTask(upstream_id="1", socket_token="2"))
    tasks.load_unfinished(connection)
    tasks.load_queued(connection, "wiro")
    assert not [line for line in connection.plans() if re.match(r"SCAN (tasks|listed)\b|.*tasks_by_age", line)]
