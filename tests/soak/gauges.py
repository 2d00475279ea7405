"""How much the relay takes: memory, open files, bytes of log; and how much the load accounts for."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

EVERY_S = 1.0

MIB = 2**20

PROCESS_BYTES = 128 * MIB
"""Python with every module loaded takes some 80 MiB, SQLite's caches and the buffers of the loop the rest."""
TASK_BYTES = 512 * 1024
"""A followed task: its state and log buffer, a TLS-less socket upstream, its follower."""
CONNECTION_BYTES = 128 * 1024
"""A connection of a viewer or a caller with full buffers both ways."""

PROCESS_FILES = 48
"""Standard streams, the store with its log and its lock, the loop, the listener, some pooled connections upstream."""
TASK_FILES = 2
"""Its socket, and a REST call."""

TASK_LOG_BYTES = 8 * 1024
"""Some ten lines a task: started, followed, each loss of its socket, ended."""
LIFE_LOG_BYTES = 16 * 1024
FAULT_LOG_BYTES = 256 * 1024
"""A fault may be told by each task and viewer that is there once, not again and again."""


@dataclass(slots=True, kw_only=True)
class Peaks:
    """The most that was seen at once."""

    rss_bytes: int = 0
    files: int = 0
    tasks: int = 0
    connections: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The most that the load accounts for."""

    rss_bytes: int
    files: int
    log_bytes: int


def bounds(peaks: Peaks, *, tasks: int, lives: int, faults: int, idle: int) -> Bounds:
    """
    Derive the bounds from the load.

    Args:
        peaks: how many tasks were followed, and how many connections open, at once.
        tasks: how many there were in all.
        lives: how often the relay was started.
        faults: how many faults there were.
        idle: how many idle connections the fault of the files opens besides.
    """
    connections = peaks.connections + idle
    return Bounds(
        rss_bytes=PROCESS_BYTES + peaks.tasks * TASK_BYTES + connections * CONNECTION_BYTES,
        files=PROCESS_FILES + peaks.tasks * TASK_FILES + connections,
        log_bytes=tasks * TASK_LOG_BYTES + lives * LIFE_LOG_BYTES + faults * FAULT_LOG_BYTES,
    )


class Gauges:
    """Look at the relay's process again and again."""

    def __init__(self, pid: Callable[[], int | None], tasks: Callable[[], int], connections: Callable[[], int]) -> None:
        self.peaks = Peaks()
        self._pid = pid
        self._tasks = tasks
        self._connections = connections

    async def watch(self) -> None:
        """Look until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(EVERY_S)

    def look(self) -> tuple[int, int]:
        """Look once, and return the bytes of memory and the number of open files; zeros when it does not run."""
        rss_bytes, files = taken(self._pid())
        self.peaks.rss_bytes = max(self.peaks.rss_bytes, rss_bytes)
        self.peaks.files = max(self.peaks.files, files)
        self.peaks.tasks = max(self.peaks.tasks, self._tasks())
        self.peaks.connections = max(self.peaks.connections, self._connections())
        return rss_bytes, files


def taken(pid: int | None) -> tuple[int, int]:
    """Return a process's resident bytes and open files; zeros when there is none."""
    if pid is None:
        return 0, 0
    process = Path(f"/proc/{pid}")
    try:
        status = (process / "status").read_text()
        files = sum(1 for _ in (process / "fd").iterdir())
    except OSError:  # it has just ended
        return 0, 0
    rss = next((line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")), "0")
    return int(rss) * 1024, files


def highest_file(pid: int) -> int:
    """Return the highest number of a file that a process has open; RLIMIT_NOFILE bounds these numbers."""
    return max(int(each.name) for each in Path(f"/proc/{pid}/fd").iterdir())
