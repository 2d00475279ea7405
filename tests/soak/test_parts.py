"""The parts of the soak without which it would miss failures."""

import asyncio
import errno
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from relay.sandbox import Sandbox
from tests.soak import gauges
from tests.soak.clock import Clock
from tests.soak.disk import FileSizeLimit
from tests.soak.gauges import Gauges, Peaks
from tests.soak.run import start_directly
from tests.soak.truth import Platforms
from tests.soak.workload import Origin, Transport, counted, load_items

READS_CLOCK = """
import datetime, sqlite3, sys, time
for _ in sys.stdin:
    (sqlite,) = sqlite3.connect(":memory:").execute("SELECT strftime('%s')").fetchone()
    print(int(time.time()), int(datetime.datetime.now().timestamp()), sqlite, int(time.monotonic()), flush=True)
"""

WRITES = """
import sys
with open(sys.argv[1], "ab", buffering=0) as file:
    for _ in sys.stdin:
        try:
            print(file.write(b"x"), flush=True)
        except OSError as error:
            print(error.errno, flush=True)
"""


class Asked:
    """A program that answers every line with a line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.pid = process.pid
        self._process = process

    async def __call__(self) -> bytes:
        """Send a line and return the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        return await self._process.stdout.readline()


@asynccontextmanager
async def asked(program: str, environment: dict[str, str], *arguments: str) -> AsyncIterator[Asked]:
    """Run a program during the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        *arguments,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    try:
        yield Asked(process)
    finally:
        process.stdin.close()
        await process.wait()


async def test_the_clock_changes_for_every_library_of_a_running_process(tmp_path: Path) -> None:
    """Time, datetime and SQLite use the offset at once; the monotonic clock does not change."""
    clock = Clock(tmp_path)
    assert await clock.build(), "no C compiler: run .ci/needs test"
    async with asked(READS_CLOCK, os.environ | clock.environment) as ask:
        for offset_s in (0, 172_800, -3600):
            clock.set(offset_s)
            *readings, monotonic = map(int, (await ask()).split())
            assert all(abs(reading - offset_s - time.time()) < 100 for reading in readings)
            assert abs(monotonic - time.monotonic()) < 100


async def test_a_limit_on_file_sizes_makes_writes_fail_until_it_is_lifted(tmp_path: Path) -> None:
    """It stands in for a full disk without root."""
    async with asked(WRITES, dict(os.environ), str(tmp_path / "file")) as ask:
        disk = FileSizeLimit(lambda: ask.pid)
        assert await ask() == b"1\n"
        await disk.fill()
        assert int(await ask()) == errno.EFBIG
        await disk.free()
        assert await ask() == b"1\n"


def test_a_load_is_reproducible_and_has_all_kinds_of_tasks() -> None:
    """All origins and transports, silent tasks and cancellations."""
    load = load_items(Random(1), 400, 300.0, 120.0)
    assert load == load_items(Random(1), 400, 300.0, 120.0)
    assert all(counted(load).values())
    assert {transport for item in load for transport in item.transports} == set(Transport)
    assert any(item.planned.cancel_after_s is not None for item in load)
    silences = [item.silent_s for item in load if item.silent_s is not None]
    assert silences
    assert max(silences) <= 120.0


async def test_a_run_that_was_paid_for_twice_is_detected() -> None:
    """Two runs of one task are detected."""
    async with Sandbox(speed=100.0) as sandbox:
        attached = [item for item in load_items(Random(1), 40, 30.0, 10.0) if item.origin is Origin.ATTACH]
        item, platforms = attached[0], Platforms(sandbox)
        await start_directly(sandbox, item)
        platforms.check_sent_once(item, tasks=1)
        truth = platforms.truth(item)
        assert truth is not None
        assert truth.upstream_id in sandbox.tasks
        await start_directly(sandbox, item)
        with pytest.raises(AssertionError, match="was started 2 times"):
            platforms.check_sent_once(item, tasks=2)


async def test_the_gauges_keep_the_maximums() -> None:
    """Of a running process; an ended one has none."""
    loads = iter((3, 1))
    gauges_of_this = Gauges(os.getpid, lambda: next(loads), lambda: 2)
    rss_bytes, files = gauges_of_this.look()
    assert rss_bytes > 10 * gauges.MIB
    assert files > 3
    gauges_of_this.look()
    assert gauges_of_this.peaks.tasks == 3
    assert gauges_of_this.peaks.connections == 2
    assert gauges.taken(None) == (0, 0)


def test_the_bounds_follow_the_load() -> None:
    """More tasks and connections allow more memory and files, but no larger log."""
    small = gauges.bounds(Peaks(tasks=1, connections=1), tasks=10, lives=1, faults=1, idle=0)
    large = gauges.bounds(Peaks(tasks=11, connections=101), tasks=10, lives=1, faults=1, idle=0)
    assert large.rss_bytes - small.rss_bytes == 10 * gauges.TASK_BYTES + 100 * gauges.CONNECTION_BYTES
    assert large.files - small.files == 10 * gauges.TASK_FILES + 100
    assert large.log_bytes == small.log_bytes
