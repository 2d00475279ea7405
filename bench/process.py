"""A server as a separate process on its core, and its resource usage."""

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

STOP_S = 10.0


class Process:
    """
    A process and its children, pinned to a core or not. Use it as an async context manager.

    Args:
        command: what to run.
        core: where; None for the cores of this process.
        port: the TCP port on which it listens when it is ready.
        environment: replaces ours.
        folder: where it runs; its output goes to a file there.
        within_s: how long it may take until it listens.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        core: int | None,
        port: int,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        within_s: float = 30.0,
    ) -> None:
        self._command = command
        self._core = core
        self._port = port
        self._folder = folder
        self._environment = environment
        self._within_s = within_s
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    @property
    def pid(self) -> int:
        if self._process is None:
            raise AssertionError("a process is started before it is asked")
        return self._process.pid

    async def start(self) -> None:
        """
        Start it and wait until it listens.

        Raises:
            RuntimeError: it ended, or did not listen in time.
        """
        pinned = () if self._core is None else ("taskset", "--cpu-list", str(self._core))
        with (self._folder / "server.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *pinned, *self._command,
                env=self._environment, cwd=self._folder, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            async with asyncio.timeout(self._within_s):
                while not await self._listens():
                    if self._process.returncode is not None:
                        break
                    await asyncio.sleep(0.005)
                else:
                    return
        except TimeoutError:
            await self.stop()
        said = (self._folder / "server.log").read_text(encoding="utf-8", errors="replace")[-2000:]
        raise RuntimeError(f"{self._command[0]} does not listen on port {self._port}:\n{said}")

    async def stop(self) -> None:
        """Have it end, and see to it."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await self._process.wait()
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """End it at once, without a word."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def cpu_s(self) -> float:
        """Return the seconds on a core that all its threads have had: the scheduler's account, in nanoseconds."""
        total_ns = 0
        for pid in self._family():
            for thread in Path(f"/proc/{pid}/task").iterdir():
                with suppress(FileNotFoundError):  # it has ended meanwhile
                    total_ns += int((thread / "schedstat").read_text().split()[0])
        return total_ns / 1e9

    def memory_bytes(self) -> int:
        """Return what it has resident."""
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self._family())
        return pages * os.sysconf("SC_PAGE_SIZE")

    def _family(self) -> Iterator[int]:
        yield self.pid
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        yield from map(int, children)

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            return False
        writer.close()
        return True
