"""A disk for the store that can be filled: a tmpfs if it can be mounted, otherwise a limit on file sizes."""

import asyncio
import os
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Disk(Protocol):
    """The disk of the store."""

    @property
    def kind(self) -> str:
        """How it is filled, for the report."""

    async def fill(self) -> None:
        """Fill it: writes fail from now on."""

    async def free(self) -> None:
        """Free it: writes succeed again."""


class Tmpfs:
    """A small file system, on which writes fail with ENOSPC when it is full."""

    kind = "tmpfs shrunk to what it holds"

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self._folder = folder
        self._size_bytes = size_bytes

    async def mount(self) -> None:
        """
        Mount it.

        Raises:
            OSError: it cannot be mounted, as in a container without CAP_SYS_ADMIN.
        """
        await _run("mount", "-t", "tmpfs", "-o", f"size={self._size_bytes},mode=0700", "soak", str(self._folder))

    async def unmount(self) -> None:
        """Unmount it; its content is lost."""
        await _run("umount", "--lazy", str(self._folder))

    async def fill(self) -> None:
        """Shrink it to its content."""
        for spare_pages in (0, 1, 4, 16, 64, 256):  # it may have grown meanwhile, and the kernel refuses a smaller size
            held = os.statvfs(self._folder)
            used_bytes = (held.f_blocks - held.f_bfree) * held.f_frsize
            try:
                return await self._resize(used_bytes + spare_pages * PAGE_BYTES)
            except OSError:
                continue
        raise OSError(f"{self._folder}: it grows faster than it can be shrunk")

    async def free(self) -> None:
        """Restore its size."""
        await self._resize(self._size_bytes)

    async def _resize(self, size_bytes: int) -> None:
        await _run("mount", "-o", f"remount,size={size_bytes}", str(self._folder))


class FileSizeLimit:
    """RLIMIT_FSIZE of the running relay: every write to a file fails with EFBIG, including its log."""

    kind = "RLIMIT_FSIZE of 0, as only root may mount"

    def __init__(self, pid: Callable[[], int | None]) -> None:
        self._pid = pid

    async def fill(self) -> None:
        """Limit files to 0 bytes."""
        self._limit(0)

    async def free(self) -> None:
        """Remove the limit."""
        self._limit(resource.RLIM_INFINITY)

    def _limit(self, size_bytes: int) -> None:
        if (pid := self._pid()) is not None:
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size_bytes, hard))


@asynccontextmanager
async def disk(folder: Path, size_bytes: int, pid: Callable[[], int | None]) -> AsyncIterator[Disk]:
    """Mount a disk of this size on an empty folder if allowed; otherwise limit the file sizes of process `pid`."""
    own = Tmpfs(folder, size_bytes)
    try:
        await own.mount()
    except OSError:
        yield FileSizeLimit(pid)
        return
    try:
        yield own
    finally:
        await own.unmount()


async def _run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    _, errors = await process.communicate()
    if process.returncode:
        raise OSError(f"{' '.join(command)}: {errors.decode(errors='replace').strip()}")
