"""The benchmark's viewers count what was sent to them, including gaps and duplicates."""

import asyncio
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bench import viewers as viewers_module
from bench.upstream import text_frame
from bench.viewers import Viewers, event_stream, websocket

CLIENT = Path(viewers_module.__file__).parent / "client"
UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
STREAMING = b"HTTP/1.1 200 OK\r\n\r\n"

Serve = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(autouse=True, scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Build the program as `bench/setup` does."""
    assert shutil.which("cc") is not None, "no C compiler: run .ci/needs test"
    program = tmp_path_factory.mktemp("build") / "viewers"
    subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, *CLIENT.glob("*.c")], check=True)
    viewers_module.PROGRAM = program


@asynccontextmanager
async def watching(serve: Serve, request: bytes, folder: Path) -> AsyncIterator[Viewers]:
    """Run one viewer of a server that gives each connection what `serve` writes."""

    writers: list[asyncio.StreamWriter] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await serve(await reader.readuntil(b"\r\n\r\n"), writer)

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with Viewers(port, [request], folder) as viewers:
            yield viewers
        for writer in writers:
            writer.transport.abort()


def event(seq: int, text: str = "") -> bytes:
    return b'{"type":"output","task":"t","seq":%d,"data":{"log":{"text":"%b"}}}' % (seq, text.encode())


async def test_gaps_and_duplicates_are_counted(tmp_path: Path) -> None:
    """Counting frames alone would make a broken server look fast."""

    async def serve(_request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(UPGRADED + b"".join(text_frame(event(seq)) for seq in (1, 2, 4, 4, 5)))

    async with watching(serve, websocket("/"), tmp_path) as viewers:
        seen = await viewers.until(lambda seen: seen.events == 5)
    assert (seen.gaps, seen.duplicates, seen.lowest_seq) == (1, 1, 5)


@pytest.mark.parametrize("size", [1, 125, 126, 65_535, 65_536])
async def test_a_split_frame_is_counted_once(size: int, tmp_path: Path) -> None:
    """A frame that TCP splits is counted once."""

    async def serve(_request: bytes, writer: asyncio.StreamWriter) -> None:
        frames = UPGRADED + text_frame(b"x" * size) + text_frame(event(1))
        for cut in (frames[:-70], frames[-70:-3], frames[-3:]):
            writer.write(cut)
            await writer.drain()
            await asyncio.sleep(0)

    async with watching(serve, websocket("/"), tmp_path) as viewers:
        seen = await viewers.until(lambda seen: seen.lowest_seq == 1)
    assert seen.events == 2


async def test_events_are_read_across_http_chunks(tmp_path: Path) -> None:
    """Event streams are sent in HTTP chunks; a ping is not an event."""

    async def serve(_request: bytes, writer: asyncio.StreamWriter) -> None:
        blocks = [b"retry: 1000\n", *(b"id: e:%d\ndata: %b\n\n" % (seq, event(seq)) for seq in (1, 2))]
        blocks.insert(2, b'data: {"type":"ping","at":1}\n\n')
        writer.write(STREAMING + b"".join(b"%x\r\n%b\r\n" % (len(block), block) for block in blocks))

    async with watching(serve, event_stream("/"), tmp_path) as viewers:
        seen = await viewers.until(lambda seen: seen.lowest_seq == 2)
    assert (seen.events, seen.gaps, seen.duplicates) == (2, 0, 0)


async def test_the_delay_is_measured_from_the_time_in_a_message(tmp_path: Path) -> None:
    """A message contains the time at which it was written."""

    async def serve(_request: bytes, writer: asyncio.StreamWriter) -> None:
        mark = f"@{time.monotonic_ns() - 10**9:019d} "
        writer.write(UPGRADED + text_frame(event(1, mark)))

    async with watching(serve, websocket("/"), tmp_path) as viewers:
        seen = await viewers.until(lambda seen: seen.events == 1)
    assert seen.p50_us > 980_000
    assert seen.p50_us == seen.max_us


async def test_a_reconnecting_viewer_sends_its_cursor(tmp_path: Path) -> None:
    """A reconnecting viewer sends its cursor, so that it is resumed."""
    asked: list[bytes] = []

    async def serve(request: bytes, writer: asyncio.StreamWriter) -> None:
        asked.append(request.split(b" ")[1])
        if len(asked) == 1:
            snapshot = b'{"type":"snapshot","task":{"id":"t","state":"running","epoch":"abc","seq":7,"log":[]}}'
            writer.write(UPGRADED + text_frame(snapshot))
            writer.close()
        else:
            resumed = b'{"type":"resumed","task":"t","seq":7,"events":1,"at":1}'
            writer.write(UPGRADED + text_frame(resumed) + text_frame(event(8)))

    async with watching(serve, websocket("/t/ws"), tmp_path) as viewers:
        await viewers.until(lambda seen: seen.closes == 1)
        await viewers.come_back(within_ms=1)
        seen = await viewers.until(lambda seen: seen.caught_up == 1)
    assert asked == [b"/t/ws", b"/t/ws?cursor=abc:7"]
    assert (seen.resumed, seen.lowest_seq, seen.gaps) == (1, 8, 0)
