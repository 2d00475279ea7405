"""Run the relay's commands as processes."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.preloaded import Command, Preloaded

PATIENCE_S = 60.0
Process = asyncio.subprocess.Process | Command
SETTINGS = re.compile(r"(RELAY|WIRO|APIKLEY)_|(HTTPS?|NO)_PROXY$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The exit code and output of a command."""

    code: int | None
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Shell:
    """Runs commands in a folder, without inherited settings; with `preloaded`, commands start faster."""

    folder: Path
    preloaded: Preloaded | None = None
    stdout: int = asyncio.subprocess.PIPE
    stderr: int = asyncio.subprocess.PIPE

    @asynccontextmanager
    async def started(self, *arguments: str, **settings: str) -> AsyncIterator[Process]:
        """Run a command during the block."""
        process = await self._start(arguments, inherited_environment() | settings)
        try:
            async with asyncio.timeout(PATIENCE_S):
                yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    async def _start(self, arguments: tuple[str, ...], env: dict[str, str]) -> Process:
        if self.preloaded:
            output = {"stdout": self.stdout, "stderr": self.stderr}
            return await self.preloaded.start(arguments, folder=self.folder, env=env, **output)
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "relay", *arguments),
            cwd=self.folder,
            env=env,
            stdout=self.stdout,
            stderr=self.stderr,
        )

    async def run(self, *arguments: str, **settings: str) -> Ended:
        """Run a command to its end."""
        async with self.started(*arguments, **settings) as process:
            out, err = await process.communicate()
        return Ended(code=process.returncode, out=out.decode(), err=err.decode())


def inherited_environment() -> dict[str, str]:
    """Return the environment without the relay's settings."""
    return {name: value for name, value in os.environ.items() if not SETTINGS.match(name)}


async def printed(process: Process, pattern: str, *, stream: asyncio.StreamReader | None = None) -> str:
    """Read lines of a process (default: of stdout) until one matches the pattern; return its group."""
    stream = stream or process.stdout
    assert stream is not None
    async for line in stream:
        if found := re.search(pattern, line.decode()):
            return found[1]
    raise AssertionError(f"ended without printing {pattern}")


async def stopped(process: Process, by: signal.Signals) -> int:
    """Send a signal and return the exit code."""
    process.send_signal(by)
    await process.communicate()
    assert process.returncode is not None
    return process.returncode


def one_line(ended: Ended) -> str:
    """Return the single line of an error message."""
    (line,) = ended.err.splitlines()
    assert line.startswith("relay: ")
    return line
