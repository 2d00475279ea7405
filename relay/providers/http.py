"""
The HTTP client that every provider uses: each call is sent once, has a time limit and returns a bounded response.

It distinguishes a call that was not fully sent (`UpstreamUnavailable`), and so is not billed, from one that was sent
and got no response (`UpstreamUnclear`). It does not interpret responses.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import aiohttp

from relay import __version__
from relay.errors import UpstreamUnavailable, UpstreamUnclear
from relay.net.proxy import Proxy
from relay.providers.base import Attempt
from relay.providers.counts import Outcome, UpstreamCounts, outcome_of
from relay.providers.outgoing import OutgoingBody, SendTime
from relay.providers.request_body import Body
from relay.providers.response import Response, parse_dates
from relay.providers.tls import tls_failure

BODY_LIMIT_BYTES = 16 * 2**20
"""The maximum size of a response. Wiro's official clients have the same limit."""

_CONNECT_LIMIT_S = 10.0
_NOT_CONNECTED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


class HttpClient:
    """
    The calls to one platform. Connections open on demand; `close` closes them.

    Args:
        name: the platform's name, for messages.
        setting: the setting that holds its address, for messages.
        api_url: the address that every path is appended to.
        timeout_s: the maximum time that a call may go without progress. A large body may take longer in total.
        headers: returns the authentication headers; called for each request.
        proxy: the proxy for every call; null for direct connections.
        counts: counts the calls.
    """

    def __init__(
        self,
        *,
        name: str,
        setting: str,
        api_url: str,
        timeout_s: float,
        headers: Callable[[], Mapping[str, str]],
        proxy: Proxy | None = None,
        counts: UpstreamCounts | None = None,
    ) -> None:
        self._name = name
        self._setting = setting
        self._api_url = api_url.rstrip("/")
        self._timeout_s = timeout_s
        self._connect_s = min(_CONNECT_LIMIT_S, timeout_s / 2)
        self._headers = headers
        self._proxy = proxy
        self._counts = UpstreamCounts() if counts is None else counts
        self._route = "" if proxy is None else f" through the proxy {proxy}"
        self._shared: aiohttp.ClientSession | None = None

    async def send(
        self, path: str, body: Body, attempt: Attempt | None = None, *, endpoint: str | None = None
    ) -> Response:
        """
        Post a call that must not be repeated, on a new connection. Canceling the attempt stops it.

        A kept-alive connection may turn out to be dead after the request was written to it, and then it is unknown
        whether the request arrived. The call is counted under `endpoint`, by default its path.

        Raises:
            UpstreamUnavailable: nothing was sent, or not all of it.
            UpstreamUnclear: it was sent, and no response was received.
        """
        timeout = aiohttp.ClientTimeout(total=None, connect=self._connect_s)
        async with _open_session() as session:
            with self._counted(endpoint or path) as answered:
                return answered(await self._request(session, "POST", path, body=body, timeout=timeout, attempt=attempt))

    async def call(
        self, method: str, path: str, *, body: Body | None = None, query: Mapping[str, str] | None = None
    ) -> Response:
        """
        Send a call that is free of charge, on a kept-alive connection.

        Raises:
            UpstreamUnavailable: nothing was sent.
            UpstreamUnclear: it was sent, and no response was received.
        """
        if self._shared is None:
            self._shared = _open_session()
        # `connect` would also limit the wait for a connection from the pool, which is not a failure.
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._connect_s)
        with self._counted(path) as answered:
            return answered(await self._request(self._shared, method, path, body=body, query=query, timeout=timeout))

    async def close(self) -> None:
        """Close the kept-alive connections; a later call opens new ones."""
        shared, self._shared = self._shared, None
        if shared is not None:
            await shared.close()

    @contextmanager
    def _counted(self, endpoint: str) -> Iterator[Callable[[Response], Response]]:
        """Count the call that the block makes. The block passes the response to what this yields."""
        began_s = time.monotonic()
        outcome: Outcome = "interrupted"

        def answered(response: Response) -> Response:
            nonlocal outcome
            outcome = outcome_of(response.status)
            return response

        try:
            yield answered
        except UpstreamUnavailable:
            outcome = "unavailable"
            raise
        except UpstreamUnclear:
            outcome = "unclear"
            raise
        finally:
            self._counts.called(endpoint, outcome, time.monotonic() - began_s)

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
    ) -> Response:
        headers = {"accept": "application/json", "user-agent": f"relay/{__version__}", **self._headers()}
        limit = asyncio.timeout(self._timeout_s)
        send_time, outgoing = SendTime(), None
        if body is not None:
            outgoing = OutgoingBody(body, lambda more_s: self._extend(limit, more_s), attempt or Attempt(), send_time)
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
                    trace_request_ctx=send_time,
                ) as received,
            ):
                response = await self._read(received, send_time)
                if outgoing is not None and not outgoing.attempt.complete:
                    self._check_partial(response)
                return response
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            failure = self._failure(error, outgoing)
            # Most errors may quote the response or the proxy's password, so they are not chained.
            raise failure from (error if isinstance(error, _NOT_CONNECTED) else None)

    def _check_partial(self, response: Response) -> None:
        """Raise if a proxy returned an error before all was sent: the platform lacks the last byte and cannot act."""
        if response.status >= 500 or response.status == 408:
            raise UpstreamUnavailable(
                f"{self._name} answered HTTP {response.status} before all was sent.",
                retry_after_s=response.retry_after_s,
            )

    def _failure(
        self, error: aiohttp.ClientError | OSError, outgoing: OutgoingBody | None
    ) -> UpstreamUnavailable | UpstreamUnclear:
        """Return the error that says whether the platform can have acted on the request."""
        incomplete = outgoing is not None and not outgoing.attempt.complete
        match error:
            case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
                return UpstreamUnavailable(f"{self._name} was not called: {self._setting} is not an HTTP address.")
            case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
                return UpstreamUnavailable(f"{self._name} could not be reached{self._route}: {_reason(error)}.")
            case aiohttp.ClientHttpProxyError():
                reason = f"the proxy answered HTTP {error.status} to CONNECT"
                return UpstreamUnavailable(f"{self._name} could not be reached{self._route}: {reason}.")
            case TimeoutError() if incomplete:
                return UpstreamUnavailable(f"{self._name} did not take the request in {self._timeout_s:g} s.")
            case TimeoutError():
                return UpstreamUnclear(f"{self._name} did not answer within {self._timeout_s:g} s.")
            case _ if outgoing is not None and outgoing.failure is not None:
                return outgoing.failure
            case _ if incomplete:
                return UpstreamUnavailable(f"The connection to {self._name} broke before all was sent.")
            case _:
                return UpstreamUnclear(f"The connection to {self._name} broke before its answer was complete.")

    def _extend(self, limit: asyncio.Timeout, more_s: float) -> None:
        with suppress(RuntimeError):  # the time limit has already expired
            limit.reschedule(asyncio.get_running_loop().time() + self._timeout_s + more_s)

    async def _read(self, received: aiohttp.ClientResponse, send_time: SendTime) -> Response:
        sent_at, answered_at = send_time.interval()
        dated_at, retry_after_s = parse_dates(received.headers, answered_at)
        body = bytearray()
        async for chunk in received.content.iter_any():
            body += chunk
            if len(body) > BODY_LIMIT_BYTES:
                raise UpstreamUnclear(
                    f"{self._name} answered HTTP {received.status} with more than {BODY_LIMIT_BYTES} bytes."
                )
        return Response(
            status=received.status,
            content_type=received.content_type,
            body=bytes(body),
            retry_after_s=retry_after_s,
            sent_at=sent_at,
            answered_at=answered_at,
            dated_at=dated_at,
        )


def _open_session() -> aiohttp.ClientSession:
    """
    Open a session that marks the `SendTime` in `trace_request_ctx` when the headers of a request are sent.

    The time spent waiting for a connection is thereby not counted.
    """
    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(_mark_headers)
    return aiohttp.ClientSession(trace_configs=[trace])


async def _mark_headers(_session: aiohttp.ClientSession, trace: SimpleNamespace, _params: object) -> None:
    trace.trace_request_ctx.mark()


def _reason(error: aiohttp.ClientError) -> str:
    match error:
        case aiohttp.ConnectionTimeoutError():
            return "no connection within the time limit"
        case aiohttp.ClientConnectorDNSError():
            return "its name does not resolve"
        case aiohttp.ClientConnectorCertificateError(certificate_error=cause) | aiohttp.ClientSSLError(os_error=cause):
            return tls_failure(cause) or "TLS failed"
        case aiohttp.ClientConnectorError(os_error=OSError(strerror=str(reason))):
            return reason
        case _:
            return "the connection failed"
