"""What every row is given: how much of everything, where, and on which cores."""

import asyncio
import random
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

LINE_BYTES = 200
"""How long a log line is."""

MARK_DIGITS = 19


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """One run of the bench. `quick` is the short form: fewer turns and less of everything, the same questions."""

    quick: bool
    folder: Path
    """For what servers write; it is on a disk, and emptied afterwards."""
    server_core: int | None
    """Where the servers run; None for all cores."""

    def turns(self) -> int:
        """Return how often everything that is compared is measured, in turns."""
        return 1 if self.quick else 5

    def room(self, name: str) -> Path:
        """Return a new folder."""
        for number in count():
            folder = self.folder / f"{name}-{number}"
            if not folder.exists():
                folder.mkdir(parents=True)
                return folder
        raise AssertionError


def line(size: int = LINE_BYTES) -> str:
    """Return a log line with the moment at which it was written, for the viewers' clock."""
    mark = f"@{time.monotonic_ns():0{MARK_DIGITS}d} "
    return mark + "the quick brown fox jumps over the lazy dog and goes on ".ljust(size, "x")[: size - len(mark)]


async def paced(times: int, per_s: float) -> AsyncIterator[int]:
    """Count up to `times` at a steady pace; who is late catches up."""
    clock = asyncio.get_running_loop().time
    began = clock()
    for number in range(times):
        if (early_s := began + number / per_s - clock()) > 0:
            await asyncio.sleep(early_s)
        yield number


def free_port() -> int:
    """Return a port that is free, as is the one after it, below those that the system gives to clients."""
    while True:
        port = random.randrange(18_000, 30_000)  # noqa: S311 -- no secret
        with socket.socket() as first, socket.socket() as second:
            if first.connect_ex(("127.0.0.1", port)) and second.connect_ex(("127.0.0.1", port + 1)):
                return port
