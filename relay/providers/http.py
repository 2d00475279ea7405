"""
The HTTP that every provider speaks: each call sent once, with a time limit, the answer read whole and bounded.

It tells apart what matters for money: a call that never left (`UpstreamUnavailable`) from one that did and has no
answer (`UpstreamUnclear`). What an answer means is not decided here.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from types import SimpleNamespace

import aiohttp

from relay import __version__
from relay.errors import UpstreamUnavailable, UpstreamUnclear
from relay.net.proxy import Proxy
from relay.providers.base import Attempt
from relay.providers.request_body import Body
from relay.providers.tls import tls_failure

BODY_LIMIT_BYTES = 16 * 2**20
"""The limit of Wiro's own clients."""

_CONNECT_LIMIT_S = 10.0

_BUFFERED_BYTES = 8 * 2**20
_SLOWEST_BYTES_S = 256 * 1024
"""When the last piece has left, so much of a body can be on its way still, and takes a second for so many bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """
    An HTTP answer as it came. `body` is in no repr: it can hold a socket token.

    The platform wrote it between `sent_at` and `answered_at`. Both are unix seconds of the local clock; the interval
    between them is measured with the monotonic clock, so setting the wall clock during the call does not change it.
    """

    status: int
    content_type: str
    body: bytes
    retry_after_s: float | None = None
    sent_at: float | None = None
    """When the request was sent: its headers, or the last piece of its body. Null if it was not measured."""
    answered_at: float | None = None
    """When the headers of the answer had arrived. Null if it was not measured."""
    dated_at: float | None = None
    """The `Date` header in unix seconds, null without one. A proxy with another clock may have written it."""

    def __repr__(self) -> str:
        return f"Answer({self.status} {self.content_type}, {len(self.body)} bytes)"

    @property
    def unreadable(self) -> str:
        """What is wrong with a body that is not the JSON it should be, to follow "answered"; never what is in it."""
        if not self.body.strip():
            return "with an empty body"
        if not self.content_type.endswith("json"):
            kind = re.fullmatch(r"[\w.+-]{1,40}/[\w.+-]{1,40}", self.content_type)
            return f"with {kind[0] if kind else 'something'} instead of JSON"
        return "with JSON that breaks off or makes no sense"


class _Departure:
    """The moment when a request was sent. The last mark counts: the end of a body is sent after the headers."""

    def __init__(self) -> None:
        self.mark()

    def mark(self) -> None:
        """Record that a part of the request is sent now."""
        self._at, self._ticks_s = time.time(), time.monotonic()

    def moments(self) -> tuple[float, float]:
        """Return when the request was sent and the current time, both in unix seconds."""
        return self._at, self._at + (time.monotonic() - self._ticks_s)


async def _mark_headers(_session: aiohttp.ClientSession, trace: SimpleNamespace, _params: object) -> None:
    trace.trace_request_ctx.mark()


def _session() -> aiohttp.ClientSession:
    """Open a session that records when the headers of a request are sent; waiting for a connection does not count."""
    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(_mark_headers)
    return aiohttp.ClientSession(trace_configs=[trace])


class _Outgoing:
    """A body on its way. An upstream that lacks its last byte cannot have acted on it."""

    def __init__(self, body: Body, extend: Callable[[float], None], attempt: Attempt, departure: _Departure) -> None:
        self._body = body
        self._departure = departure
        self._extend = extend
        self.attempt = attempt
        self.missing: UpstreamUnavailable | None = None
        """Why there is no last piece."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._pieces():
                yield piece
        except UpstreamUnavailable as error:
            self.missing = error
            raise

    async def _pieces(self) -> AsyncIterator[bytes]:
        left = self._body.size_bytes
        async for piece in self._body.pieces():
            if self.attempt.canceled:
                raise UpstreamUnavailable("The request was canceled before all of it was sent.")
            left -= len(piece)
            self.attempt.complete = left <= 0
            self._departure.mark()
            self._extend(
                min(self._body.size_bytes, _BUFFERED_BYTES) / _SLOWEST_BYTES_S if self.attempt.complete else 0.0
            )
            yield piece


class Http:
    """The calls to one upstream. It opens connections when they are needed; `close` lets go of them."""

    def __init__(
        self,
        *,
        name: str,
        setting: str,
        api_url: str,
        timeout_s: float,
        headers: Callable[[], Mapping[str, str]],
        proxy: Proxy | None = None,
    ) -> None:
        """
        Args:
            name: the upstream's, for people.
            setting: where its address is set, for people.
            api_url: what every path is put behind.
            timeout_s: how long a call may stand still.
            headers: makes what proves who calls, anew for each call.
            proxy: through which every call goes; null: directly.
        """
        self._name = name
        self._setting = setting
        self._api_url = api_url.rstrip("/")
        self._timeout_s = timeout_s
        """How long a call may stand still: a body takes longer the larger it is, but each piece of it no longer."""
        self._connect_s = min(_CONNECT_LIMIT_S, timeout_s / 2)
        self._headers = headers
        self._proxy = proxy
        self._way = "" if proxy is None else f" through the proxy {proxy}"
        self._shared: aiohttp.ClientSession | None = None

    async def send(self, path: str, body: Body, attempt: Attempt | None = None) -> Answer:
        """
        Post a call that must not be repeated, on a connection of its own. Canceling the attempt stops it.

        A kept connection may turn out dead after the request went into it, and nobody could tell whether it arrived.

        Raises:
            UpstreamUnavailable: nothing was sent, or not all of it.
            UpstreamUnclear: it was sent and not answered.
        """
        timeout = aiohttp.ClientTimeout(total=None, connect=self._connect_s)
        async with _session() as session:
            return await self._request(session, "POST", path, body=body, timeout=timeout, attempt=attempt)

    async def call(
        self, method: str, path: str, *, body: Body | None = None, query: Mapping[str, str] | None = None
    ) -> Answer:
        """
        Send a call that costs nothing, on a kept connection.

        Raises:
            UpstreamUnavailable: nothing was sent.
            UpstreamUnclear: it was sent and not answered.
        """
        if self._shared is None:
            self._shared = _session()
        # Only the connecting itself is limited apart: waiting for one of the kept connections is no failure.
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._connect_s)
        return await self._request(self._shared, method, path, body=body, query=query, timeout=timeout)

    async def close(self) -> None:
        """Let go of the kept connections; a later call opens new ones."""
        shared, self._shared = self._shared, None
        if shared is not None:
            await shared.close()

    async def _request(
        self,
        session: aiohttp.ClientSession,
        method: str,
        path: str,
        *,
        body: Body | None,
        query: Mapping[str, str] | None = None,
        timeout: aiohttp.ClientTimeout,
        attempt: Attempt | None = None,
    ) -> Answer:
        headers = {"accept": "application/json", "user-agent": f"relay/{__version__}", **self._headers()}
        limit = asyncio.timeout(self._timeout_s)
        departure, outgoing = _Departure(), None
        if body is not None:
            outgoing = _Outgoing(body, lambda more_s: self._extend(limit, more_s), attempt or Attempt(), departure)
            headers |= {"content-type": body.content_type, "content-length": str(body.size_bytes)}
        try:
            async with (
                limit,
                session.request(
                    method,
                    self._api_url + path,
                    data=outgoing,
                    params=query,
                    headers=headers,
                    timeout=timeout,
                    allow_redirects=False,
                    proxy=None if self._proxy is None else self._proxy.url,
                    trace_request_ctx=departure,
                ) as response,
            ):
                sent_at, answered_at = departure.moments()
                dated_at = _http_date(response.headers.get("date"))
                answer = Answer(
                    status=response.status,
                    content_type=response.content_type,
                    body=await self._read(response),
                    retry_after_s=_retry_after_s(response.headers.get("retry-after"), dated_at or answered_at),
                    sent_at=sent_at,
                    answered_at=answered_at,
                    dated_at=dated_at,
                )
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError):
            raise UpstreamUnavailable(f"{self._name} was not called: {self._setting} is no http address.") from None
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise UpstreamUnavailable(f"{self._name} could not be reached{self._way}: {_why(error)}.") from error
        except aiohttp.ClientHttpProxyError as error:
            # The error itself quotes the proxy's address with its password.
            raise UpstreamUnavailable(
                f"{self._name} could not be reached{self._way}: the proxy answered HTTP {error.status} to CONNECT."
            ) from None
        except TimeoutError:
            if outgoing is not None and not outgoing.attempt.complete:
                raise UpstreamUnavailable(f"{self._name} did not take the request in {self._timeout_s:g} s.") from None
            raise UpstreamUnclear(f"{self._name} did not answer within {self._timeout_s:g} s.") from None
        except (aiohttp.ClientError, OSError):
            # The error itself can quote the answer, so it is not passed on.
            if outgoing is not None and outgoing.missing is not None:
                raise outgoing.missing from None
            if outgoing is not None and not outgoing.attempt.complete:
                raise UpstreamUnavailable(f"The connection to {self._name} broke before all was sent.") from None
            raise UpstreamUnclear(f"The connection to {self._name} broke before its answer was complete.") from None
        if outgoing is not None and not outgoing.attempt.complete and (answer.status >= 500 or answer.status == 408):
            # From whoever stands in front of the upstream: it lacks the end, so it cannot have acted.
            raise UpstreamUnavailable(
                f"{self._name} answered HTTP {answer.status} before all was sent.", retry_after_s=answer.retry_after_s
            )
        return answer

    def _extend(self, limit: asyncio.Timeout, more_s: float) -> None:
        with suppress(RuntimeError):  # it is over already
            limit.reschedule(asyncio.get_running_loop().time() + self._timeout_s + more_s)

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > BODY_LIMIT_BYTES:
                raise UpstreamUnclear(
                    f"{self._name} answered HTTP {response.status} with more than {BODY_LIMIT_BYTES} bytes."
                )
        return bytes(body)


def _why(error: aiohttp.ClientError) -> str:
    match error:
        case aiohttp.ConnectionTimeoutError():
            return "no connection within the time limit"
        case aiohttp.ClientConnectorDNSError():
            return "its name does not resolve"
        case aiohttp.ClientConnectorCertificateError(certificate_error=why) | aiohttp.ClientSSLError(os_error=why):
            return tls_failure(why) or "TLS failed"
        case aiohttp.ClientConnectorError(os_error=OSError(strerror=str(reason))):
            return reason
        case _:
            return "the connection failed"


def _retry_after_s(header: str | None, dated_at: float) -> float | None:
    """
    Read seconds or an HTTP date (RFC 9110, section 10.2.3).

    Args:
        header: as it came.
        dated_at: when the answer was written, by the sender's own clock; a date is compared with it.
    """
    if header is None:
        return None
    if re.fullmatch(r"[0-9]{1,9}", header.strip()):
        return float(header)
    until = _http_date(header)
    return None if until is None else max(0.0, until - dated_at)


def _http_date(header: str | None) -> float | None:
    """Return an HTTP date in unix seconds, or null if it is malformed."""
    try:
        parsed = parsedate_to_datetime(header or "")
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
