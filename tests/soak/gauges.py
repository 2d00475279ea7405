"""The relay's memory, open files and log size, and the limits that follow from the load."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

EVERY_S = 1.0

MIB = 2**20

PROCESS_BYTES = 128 * MIB
"""Python with all modules takes about 80 MiB; SQLite's caches and the loop's buffers the rest."""
TASK_BYTES = 512 * 1024
"""A followed task: its state, log buffer, follower, and socket to the platform without TLS."""
CONNECTION_BYTES = 128 * 1024
"""A connection of a viewer or caller with full buffers in both directions."""

PROCESS_FILES = 48
"""Standard streams, store with log and lock, event loop, listener, pooled connections to platforms."""
TASK_FILES = 2
"""Its socket and a REST call."""

TASK_LOG_BYTES = 8 * 1024
"""About ten lines per task: started, followed, connections lost, ended."""
LIFE_LOG_BYTES = 16 * 1024
FAULT_LOG_BYTES = 256 * 1024
"""Each task and viewer may log a failure once."""


@dataclass(slots=True, kw_only=True)
class Peaks:
    """The maximum of each measure."""

    rss_bytes: int = 0
    files: int = 0
    tasks: int = 0
    connections: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The limits that follow from the load."""

    rss_bytes: int
    files: int
    log_bytes: int


def bounds(peaks: Peaks, *, tasks: int, lives: int, faults: int, idle: int) -> Bounds:
    """
    Return the limits that follow from the load.

    Args:
        peaks: maximum numbers of followed tasks and open connections.
        tasks: total number of tasks.
        lives: number of starts of the relay.
        faults: number of failures.
        idle: number of idle connections that a failure opens.
    """
    connections = peaks.connections + idle
    return Bounds(
        rss_bytes=PROCESS_BYTES + peaks.tasks * TASK_BYTES + connections * CONNECTION_BYTES,
        files=PROCESS_FILES + peaks.tasks * TASK_FILES + connections,
        log_bytes=tasks * TASK_LOG_BYTES + lives * LIFE_LOG_BYTES + faults * FAULT_LOG_BYTES,
    )


class Gauges:
    """Measure the relay's process periodically."""

    def __init__(self, pid: Callable[[], int | None], tasks: Callable[[], int], connections: Callable[[], int]) -> None:
        self.peaks = Peaks()
        self._pid = pid
        self._tasks = tasks
        self._connections = connections

    async def watch(self) -> None:
        """Measure until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(EVERY_S)

    def look(self) -> tuple[int, int]:
        """Measure once; return memory in bytes and open files, zeros if the relay is not running."""
        rss_bytes, files = taken(self._pid())
        self.peaks.rss_bytes = max(self.peaks.rss_bytes, rss_bytes)
        self.peaks.files = max(self.peaks.files, files)
        self.peaks.tasks = max(self.peaks.tasks, self._tasks())
        self.peaks.connections = max(self.peaks.connections, self._connections())
        return rss_bytes, files


def taken(pid: int | None) -> tuple[int, int]:
    """Return a process's resident memory in bytes and open files; zeros if there is none."""
    if pid is None:
        return 0, 0
    process = Path(f"/proc/{pid}")
    try:
        status = (process / "status").read_text()
        files = sum(1 for _ in (process / "fd").iterdir())
    except OSError:  # it has just exited
        return 0, 0
    rss = next((line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")), "0")
    return int(rss) * 1024, files


def highest_file(pid: int) -> int:
    """Return a process's highest file descriptor, which RLIMIT_NOFILE limits."""
    return max(int(each.name) for each in Path(f"/proc/{pid}/fd").iterdir())
