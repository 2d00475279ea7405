"""Thumbnails of copies, each made once, when it is first requested."""

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from relay import log
from relay.archive.errors import CopyFailed

if TYPE_CHECKING:
    from relay.archive.store import ArchiveStore  # its package is an extra

WIDTHS: Final = (160, 320, 640, 1280)
"""In pixels."""

AT_ONCE: Final = 2
"""How many are made at the same time."""

TIMEOUT_S: Final = 60.0

SOURCE_BYTES: Final = 512 * 2**20
"""How large a file may be of which a thumbnail is made."""

_REMEMBERED: Final = 10_000
"""Of how many files it is remembered that no thumbnail can be made."""

_CACHED: Final = {"Content-Type": "image/webp", "Cache-Control": "private, max-age=31536000, immutable"}

_log = log.get("archive")


class Thumbnails:
    """Makes thumbnails of pictures, and of the first frame of videos if `ffmpeg` is installed."""

    def __init__(self, store: "ArchiveStore") -> None:
        self._store = store
        self._free = asyncio.Semaphore(AT_ONCE)
        self._making: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._impossible: dict[str, None] = {}
        self._ffmpeg = shutil.which("ffmpeg")

    async def close(self) -> None:
        """Stop making thumbnails."""
        making = list(self._making.values())
        for task in making:
            task.cancel()
        await asyncio.gather(*making, return_exceptions=True)

    async def name_of(self, prefix: str, content_type: str, width: int) -> str | None:
        """
        Return the name of the thumbnail of a copy under its prefix, after it was made; null if none can be made.

        Args:
            prefix: that of the copy.
            content_type: its type.
            width: in pixels, one of WIDTHS.
        """
        kind = content_type.partition("/")[0]
        if kind not in ("image", "video") or (kind == "video" and self._ffmpeg is None) or prefix in self._impossible:
            return None
        name = f"{width}.webp"
        try:
            if not await self._store.has(prefix, name):
                await self._make_once(prefix, name, kind, width)
        except (CopyFailed, OSError) as error:
            _log.info("thumbnail.failed", copy=prefix, error=str(error))
            self._impossible[prefix] = None
            if len(self._impossible) > _REMEMBERED:
                del self._impossible[next(iter(self._impossible))]
            return None
        return name

    async def _make_once(self, prefix: str, name: str, kind: str, width: int) -> None:
        """Make a thumbnail. Requests at the same time share the work, which goes on if a client leaves."""
        key = prefix, width
        if (making := self._making.get(key)) is None:
            making = self._making[key] = asyncio.create_task(self._make(prefix, name, kind, width))
            making.add_done_callback(lambda _: self._making.pop(key, None))
        await asyncio.shield(making)

    async def _make(self, prefix: str, name: str, kind: str, width: int) -> None:
        async with self._free:
            with TemporaryDirectory(prefix="relay-thumbnail-", ignore_cleanup_errors=True) as folder:
                source = await self._source(prefix, Path(folder))
                if kind == "video":
                    source = await self._first_frame(source, Path(folder))
                target = Path(folder) / name
                await _run(sys.executable, "-m", "relay.archive.thumbnailer", str(source), str(target), str(width))
                await self._store.put(prefix, _content(target), _CACHED, name)

    async def _source(self, prefix: str, folder: Path) -> Path:
        if self._store.is_local:
            return self._store.path(prefix)
        await self._store.get(prefix, folder / "source", limit_bytes=SOURCE_BYTES)
        return folder / "source"

    async def _first_frame(self, source: Path, folder: Path) -> Path:
        frame = folder / "frame.png"
        only_files = ("-protocol_whitelist", "file")  # a playlist could name other addresses
        arguments = ("-v", "error", "-nostdin", *only_files, "-i", str(source), "-frames:v", "1", str(frame))
        await _run(self._ffmpeg or "ffmpeg", *arguments)
        return frame


async def _run(*command: str) -> None:
    """
    Run a program.

    Raises:
        CopyFailed: it failed, or took too long.
    """
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(TIMEOUT_S):
            _, said = await process.communicate()
    except TimeoutError:
        raise CopyFailed(f"No thumbnail was made within {TIMEOUT_S:g} s.") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode:
        raise CopyFailed(f"No thumbnail could be made: {said.decode(errors='replace').strip()[-200:]}")


async def _content(path: Path) -> AsyncIterator[bytes]:
    yield await asyncio.to_thread(path.read_bytes)
