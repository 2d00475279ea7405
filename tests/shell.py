"""The commands as a person runs them: real processes, what they print, what they end with."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

PATIENCE_S = 60.0
SETTINGS = re.compile(r"(RELAY|WIRO|APIKLEY)_|(HTTPS?|NO)_PROXY$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What a command left behind."""

    code: int | None
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Shell:
    """Runs commands in an empty folder, with nothing set but what is given."""

    folder: Path
    stdout: int = asyncio.subprocess.PIPE
    stderr: int = asyncio.subprocess.PIPE

    @asynccontextmanager
    async def started(self, *arguments: str, **settings: str) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run a command for as long as the block lasts."""
        inherited = {name: value for name, value in os.environ.items() if not SETTINGS.match(name)}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "relay", *arguments),
            cwd=self.folder,
            env=inherited | settings,
            stdout=self.stdout,
            stderr=self.stderr,
        )
        try:
            async with asyncio.timeout(PATIENCE_S):
                yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    async def run(self, *arguments: str, **settings: str) -> Ended:
        """Run a command to its end."""
        async with self.started(*arguments, **settings) as process:
            out, err = await process.communicate()
        return Ended(code=process.returncode, out=out.decode(), err=err.decode())


async def printed(
    process: asyncio.subprocess.Process, pattern: str, *, stream: asyncio.StreamReader | None = None
) -> str:
    """Read what a process prints, on stdout unless told otherwise, until a line has the pattern; return its group."""
    stream = stream or process.stdout
    assert stream is not None
    async for line in stream:
        if found := re.search(pattern, line.decode()):
            return found[1]
    raise AssertionError(f"ended without printing {pattern}")


async def stopped(process: asyncio.subprocess.Process, by: signal.Signals) -> int:
    """Send a signal and return the exit code."""
    process.send_signal(by)
    await process.communicate()
    assert process.returncode is not None
    return process.returncode


def one_line(ended: Ended) -> str:
    """Return the single line of an error that a person is meant to read."""
    (line,) = ended.err.splitlines()
    assert line.startswith("relay: ")
    return line
