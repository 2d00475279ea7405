"""A store with any number of tasks, written in SQL: one call of the journal for each would take minutes."""

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from relay.core.codec import encode_snapshot
from relay.core.events import Data, Done, Event, Log, LogOutput, Source, State, Submit
from relay.core.snapshot import begin, fold
from relay.journal.sqlite import SQLiteJournal

ID, AT = "0" * 32, 4102444800.25
"""The id and the time in the template of a stored state, in place of which each task has its own."""


def fill(path: Path, count: int, unfinished: int) -> float:
    """
    Create a store with tasks of the last day and return the time of the middle one.

    Half of them have the provider wiro, half the model maker/common, half the tag `shop` and the others the tag
    `other`, and all are succeeded or failed, except for `unfinished` ones with the tag `other`. These belong to the
    provider apikley, for which the relay has no credentials, so that it does not follow them.
    Ids are spread like random ones.
    """
    asyncio.run(_create(path))
    newest, step_s = time.time() - 3600, 86_400 / count
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -200000")
        connection.execute(
            "WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :count),"
            " facts AS (SELECT n, printf('%08x%024x', n * 2654435761 % 4294967296, n) AS id,"
            "   :newest - n * :step_s AS at, n % 2 = 1 AND n / 2 % (:count / 2 / :unfinished) = 0 AS runs"
            "   FROM numbers),"
            " named AS (SELECT *, iif(runs OR n / 2 % 2, 'apikley', 'wiro') AS provider,"
            "   iif(n / 4 % 2, 'maker/rare', 'maker/common') AS model, iif(n % 2, 'other', 'shop') AS tag,"
            "   iif(runs, 'running', iif(n / 8 % 2, 'failed', 'succeeded')) AS state FROM facts)"
            " INSERT INTO tasks (id, provider, model, created_at, state, snapshot_seq, tags, metadata, input, snapshot)"
            " SELECT id, provider, model, at, state, 2, CAST(json_array(tag) AS BLOB), x'7b7d', x'7b7d',"
            "   CAST(replace(replace(iif(runs, :running, :ended), :id, id), :at, printf('%.3f', at)) AS BLOB)"
            " FROM named",
            {
                "count": count,
                "unfinished": unfinished,
                "newest": newest,
                "step_s": step_s,
                "id": ID,
                "at": str(AT),
                "running": running_state(),
                "ended": succeeded_state(),
            },
        )
        connection.execute(
            "INSERT INTO listed (task, tag, provider, model, state, created_at)"
            " SELECT id, '', provider, model, state, created_at FROM tasks UNION ALL"
            " SELECT tasks.id, value, provider, model, state, created_at FROM tasks, json_each(CAST(tags AS TEXT))"
            " ORDER BY 1, 2"
        )
        words = [("shop", "shop"), ("other", "other")]
        words += [(word, f"maker/{name}") for name in ("common", "rare") for word in (f"maker/{name}", name)]
        connection.executemany("INSERT INTO words (word, name) VALUES (?, ?)", words)
    return newest - count / 2 * step_s


async def _create(path: Path) -> None:
    journal = SQLiteJournal(path)
    await journal.open(lock=False)
    await journal.close()


def running_state() -> str:
    """Return the stored state of an unfinished task, with the id ID and the time AT."""
    return _state(State.RUNNING, LogOutput(log=Log(stream="stdout", text="x" * 200)))


def succeeded_state() -> str:
    """Return the stored state of a task that has ended, with the id ID and the time AT."""
    return _state(State.SUCCEEDED, Done(verdict="succeeded"))


def _state(state: State, last: Data) -> str:
    """Return the stored state of a task with two events."""

    def event(seq: int, kind: str, at_state: State, data: Data) -> Event:
        return Event(type=kind, task=ID, seq=seq, state=at_state, at=AT, source=Source.RELAY, data=data)

    submit = event(1, "submit", State.SUBMITTING, Submit(model="maker/common", provider="wiro", tags=("shop",)))
    later = event(2, "done" if state.ended else "output", state, last)
    return encode_snapshot(fold(begin(submit, "bench"), [later])).decode()
