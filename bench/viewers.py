"""The viewers: the C program of bench/client/ as a process, told what to do and asked what it saw."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import orjson

PROGRAM = Path(__file__).parent / "build" / "viewers"
ASK_AGAIN_S = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What all viewers have seen since the last reset."""

    viewers: int
    open: int
    answered: int
    """Open, and given a snapshot or resumed."""
    lowest_seq: int
    events: int
    bytes: int
    snapshots: int
    resumed: int
    gaps: int
    duplicates: int
    closes: int
    refused: int
    caught_up: int
    caught_up_s: float
    """How long after `come_back` the last one was caught up."""
    p50_us: float
    p99_us: float
    max_us: float


def websocket(path: str, token: str | None = None) -> bytes:
    """Return the request of a viewer over WebSocket, as Chromium and our client in it send it."""
    return _request(
        path,
        "Connection: Upgrade",
        "Pragma: no-cache",
        "Cache-Control: no-cache",
        "Upgrade: websocket",
        "Origin: http://localhost",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
        *([f"Sec-WebSocket-Protocol: relay.v1, relay.token.{token}"] if token else []),
    )


def event_stream(path: str, token: str | None = None) -> bytes:
    """Return the request of a viewer over SSE, as Chromium and our client in it send it."""
    return _request(
        path,
        "Connection: keep-alive",
        "Accept: text/event-stream",
        "Cache-Control: no-cache",
        "Sec-Fetch-Site: same-origin",
        "Sec-Fetch-Mode: cors",
        "Sec-Fetch-Dest: empty",
        *([f"Authorization: Bearer {token}"] if token else []),
    )


def _request(path: str, *headers: str) -> bytes:
    every = (
        "Host: localhost",
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0",
        "Accept-Encoding: gzip, deflate, br, zstd",
        "Accept-Language: en-US,en;q=0.9",
    )
    return "\r\n".join([f"GET {path} HTTP/1.1", *every, *headers, "", ""]).encode()


class Viewers:
    """One viewer for each request, all in one process. Use it as an async context manager."""

    def __init__(self, port: int, requests: Sequence[bytes], folder: Path) -> None:
        self._port = port
        self._requests = requests
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        requests = self._folder / f"requests-{id(self)}"
        requests.write_bytes(b"".join(self._requests))
        self._process = await asyncio.create_subprocess_exec(
            PROGRAM, str(self._port), requests, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def seen(self) -> Seen:
        """Return what was seen so far."""
        return await self._tell("report")

    async def count_anew(self) -> Seen:
        """Return what was seen so far, and forget it."""
        return await self._tell("reset")

    async def come_back(self, within_ms: int) -> Seen:
        """Reconnect all disconnected viewers with their cursors, at random moments within `within_ms`."""
        return await self._tell(f"return {within_ms}")

    async def until(self, true: Callable[[Seen], bool], *, within_s: float = 60.0) -> Seen:
        """
        Ask again and again, until something is true of what was seen.

        Raises:
            TimeoutError: it did not come true; the text says what was seen instead.
        """
        seen = await self.seen()
        try:
            async with asyncio.timeout(within_s):
                while not true(seen):
                    await asyncio.sleep(ASK_AGAIN_S)
                    seen = await self.seen()
        except TimeoutError:
            raise TimeoutError(f"what was awaited did not happen within {within_s:.0f} s: {seen}") from None
        return seen

    async def all_open(self, *, answered: bool) -> Seen:
        """Wait until all viewers are connected and, for the relay, have received the state."""
        count = len(self._requests)
        return await self.until(lambda seen: (seen.answered if answered else seen.open) == count)

    async def _tell(self, command: str) -> Seen:
        if self._process is None or self._process.stdin is None or self._process.stdout is None:
            raise AssertionError("viewers must be started before they receive a command")
        self._process.stdin.write(command.encode() + b"\n")
        return Seen(**orjson.loads(await self._process.stdout.readline()))
