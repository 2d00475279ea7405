"""Tests for the end of the thread that writes. The tests of the journal cover the rest of it."""

import asyncio
import sqlite3
import threading
from contextlib import closing

from relay.journal.sqlite.writer import Writer


async def test_a_job_that_is_queued_before_close_is_done() -> None:
    """A slow disk holds up the job before it, so that the writer takes this one together with the end."""
    loop = asyncio.get_running_loop()
    started, may_go_on = asyncio.Event(), threading.Event()

    def work_slowly(_connection: sqlite3.Connection) -> None:
        loop.call_soon_threadsafe(started.set)
        may_go_on.wait()

    with closing(sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)) as connection:
        writer = Writer(
            connection,
            append=lambda _connection, batches: [None] * len(batches),
            check=lambda: None,
            committed=lambda _batches: None,
            publish=lambda _batches: None,
        )
        writer.do(work_slowly)
        await started.wait()
        queued = writer.do(lambda connection: connection.execute("SELECT 7").fetchone())
        end = asyncio.create_task(writer.close())
        loop.call_soon(may_go_on.set)  # after `close` has begun
        await end

    assert queued.result() == (7,)
