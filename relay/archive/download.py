"""Reads a result from the platform, in pieces. What is missing after a broken connection is requested again."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urljoin

import aiohttp
from aiohttp import hdrs

from relay import __version__
from relay.archive.errors import CopyFailed, CopyRefused
from relay.archive.reach import Reach
from relay.net.proxy import Proxies
from relay.net.public_resolver import NotPublic, PublicResolver

REDIRECTS: Final = 5

RESUMES: Final = 3
"""How often a download goes on after its connection was broken."""

_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=60.0)

_GONE: Final = 410


class Download:
    """A result that is being read. Use `chunks` once."""

    def __init__(self, downloads: "Downloads", reach: Reach, url: str, response: aiohttp.ClientResponse) -> None:
        self._downloads = downloads
        self._reach = reach
        self._url = url
        self.response = response

    @property
    def content_type(self) -> str:
        """The type that the file is served with; empty if there is none."""
        return self.response.content_type if hdrs.CONTENT_TYPE in self.response.headers else ""

    @property
    def size_bytes(self) -> int | None:
        """The size of the file, if it is known before it is read."""
        return self.response.content_length

    async def chunks(self) -> AsyncIterator[bytes]:
        """
        Yield the content.

        Raises:
            CopyFailed: the connection broke too often.
        """
        received = 0
        for resumes in range(RESUMES + 1):
            try:
                async for chunk in self.response.content.iter_any():
                    received += len(chunk)
                    yield chunk
            except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
                if resumes == RESUMES:
                    detail = f"The connection broke after {received} bytes: {type(error).__name__}."
                    raise CopyFailed(detail) from error
                await self._continue(received)
            else:
                return

    async def _continue(self, received: int) -> None:
        """
        Request what is missing.

        Raises:
            CopyFailed: the file was changed, or parts of it cannot be requested.
        """
        etag = self.response.headers.get(hdrs.ETAG, "")
        self.response.close()
        headers: dict[str, str] = {hdrs.RANGE: f"bytes={received}-"}
        if etag and not etag.startswith("W/"):
            headers[hdrs.IF_RANGE] = etag
        self.response = await self._downloads.request(self._reach, self._url, headers)
        if self.response.status != 206:
            raise CopyFailed(f"The connection broke after {received} bytes, and the platform sends files only whole.")


class Downloads:
    """Reads results. `close` it after use."""

    def __init__(self, proxies: Proxies) -> None:
        self._proxies = proxies
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        """By whether names must resolve to addresses on the internet."""

    async def close(self) -> None:
        """Close all connections."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    @asynccontextmanager
    async def open(self, reach: Reach, url: str) -> AsyncIterator[Download]:
        """
        Request a result.

        Raises:
            CopyRefused: nothing may be read from the address, or the platform has deleted the file.
            CopyFailed: the platform did not answer, or does not have the file yet.
        """
        download = Download(self, reach, url, await self.request(reach, url, {}))
        try:
            yield download
        finally:
            download.response.close()

    async def request(self, reach: Reach, url: str, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        """Send a request, and those that redirects ask for. See `open`."""
        for _ in range(REDIRECTS + 1):
            reach.check(url)
            try:
                response = await self._get(reach, url, headers)
            except (aiohttp.ClientError, OSError) as error:
                raise _failure(error) from error
            location = response.headers.get(hdrs.LOCATION)
            if not (300 <= response.status < 400 and location):
                break
            response.close()
            url = urljoin(url, location)
        if response.status in (200, 206):
            return response
        response.close()
        refused = CopyRefused if response.status == _GONE else CopyFailed
        raise refused(f"The platform answered HTTP {response.status}.")

    async def _get(self, reach: Reach, url: str, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        proxy = self._proxies.proxy_for(url)
        return await self._session(guarded=not reach.private and proxy is None).get(
            url,
            headers={hdrs.ACCEPT_ENCODING: "identity", hdrs.USER_AGENT: f"relay/{__version__}", **headers},
            allow_redirects=False,
            proxy=None if proxy is None else proxy.url,
        )

    def _session(self, *, guarded: bool) -> aiohttp.ClientSession:
        if guarded not in self._sessions:
            connector = aiohttp.TCPConnector(resolver=PublicResolver() if guarded else None, limit=0)
            self._sessions[guarded] = aiohttp.ClientSession(
                connector=connector, timeout=_TIMEOUT, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
            )
        return self._sessions[guarded]


def _failure(error: Exception) -> CopyFailed:
    match error:
        case aiohttp.InvalidURL():
            return CopyRefused("The address of the file is not valid.")
        case aiohttp.ClientConnectorDNSError(os_error=NotPublic()):
            return CopyRefused(f"The file is in a private network: {error.host} resolves to an address of one.")
        case _:
            return CopyFailed(f"The platform did not answer: {type(error).__name__}.")
