"""A server with the API of S3, as a process, and its buckets."""

import asyncio
import itertools
import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class S3Server:
    """A server that is running. It keeps what it stores in its memory."""

    url: str
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which clients find it."""
        return {
            "AWS_ENDPOINT": self.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }

    async def bucket(self) -> str:
        """Create a bucket and return its name."""
        name = f"bucket-{next(self._numbers)}"
        async with aiohttp.ClientSession() as client, client.put(f"{self.url}/{name}") as answer:
            assert answer.status == 200
        return name

    async def unfinished(self, bucket: str) -> int:
        """Return how many uploads were begun and neither finished nor given up."""
        async with aiohttp.ClientSession() as client, client.get(f"{self.url}/{bucket}?uploads") as answer:
            return (await answer.text()).count("<Upload>")


@asynccontextmanager
async def s3_server() -> AsyncIterator[S3Server]:
    """Run a server during the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    draining: asyncio.Task[bytes] | None = None
    try:
        async with asyncio.timeout(PATIENCE_S):
            assert process.stderr is not None
            while not (found := re.search(rb"Running on (http://[\d.:]+)", line := await process.stderr.readline())):
                assert line, "the server has ended"
            draining = asyncio.create_task(process.stderr.read())
        yield S3Server(found[1].decode())
    finally:
        process.kill()
        await process.wait()
        if draining is not None:
            await draining
