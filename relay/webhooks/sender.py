"""
Sends a webhook once.

What the receiver writes is not read, except the status and `Retry-After`: only these matter, and a response can be
endless. Each webhook has its own connection, because the death of one that is kept alive looks like a failure.
"""

import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver

from relay import __version__
from relay.journal.outbox import Webhook
from relay.net.proxy import DIRECT, Proxies
from relay.net.public_address import is_public
from relay.net.public_resolver import NotPublic, PublicResolver
from relay.net.receiver_url import ReceiverUrl
from relay.net.webhook_signature import signed_headers
from relay.providers.response import parse_dates
from relay.webhooks.receivers import Reach, Receivers

TIMEOUT_S: Final = 15.0
"""How long an attempt may take in all, the connection included."""

_PRIVATE: Final = "its host leads to a private network"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of an attempt."""

    status: int | None
    """The HTTP status; null without a response."""
    text: str
    """The same in words, such as `HTTP 500` or `no answer within 15 s`."""
    retry_after_s: float | None = None
    allowed: bool = True
    """Whether the settings allow the URL. If not, nothing was sent."""


class Sender:
    """Sends webhooks. Use it as an async context manager."""

    def __init__(
        self,
        receivers: Receivers,
        keys: Sequence[bytes],
        clock: Callable[[], float],
        *,
        proxies: Proxies = DIRECT,
        timeout_s: float = TIMEOUT_S,
        resolver: AbstractResolver | None = None,
        is_allowed: Callable[[str], bool] = is_public,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """
        Args:
            receivers: which URLs may be used, and which networks each may lead to.
            keys: sign every webhook.
            clock: returns unix seconds.
            proxies: for the URLs of the settings. Those of callers are reached directly: only then is it certain which
                address is reached.
            timeout_s: how long an attempt may take in all.
            resolver: resolves the names in URLs of callers; by default as the system does.
            is_allowed: returns whether a URL of a caller may lead to an IP address.
            tls: verifies the certificates of receivers; by default as the system does.
        """
        self._receivers = receivers
        self._keys = keys
        self._clock = clock
        self._proxies = proxies
        self._timeout_s = timeout_s
        self._is_allowed = is_allowed
        self._resolver = PublicResolver(resolver, is_allowed)
        self._tls = True if tls is None else tls
        self._sessions: dict[Reach, aiohttp.ClientSession] = {}

    async def __aenter__(self) -> "Sender":
        timeout = aiohttp.ClientTimeout(total=self._timeout_s)
        for reach, resolver in ((Reach.ANY, None), (Reach.PUBLIC, self._resolver)):
            connector = aiohttp.TCPConnector(limit=0, force_close=True, resolver=resolver, use_dns_cache=False)
            self._sessions[reach] = aiohttp.ClientSession(
                connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
            )
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        for session in self._sessions.values():
            await session.close()
        await self._resolver.close()

    async def send(self, webhook: Webhook, headers: Mapping[str, str] = MappingProxyType({})) -> Answer:
        """Send a webhook, unless its URL is not allowed; return what came of it. `headers` are sent with it."""
        reach = self._receivers.reach(webhook.url)
        if reach is Reach.NONE:
            return Answer(status=None, text="the settings do not allow its URL any more", allowed=False)
        literal = ReceiverUrl.parse(webhook.url).literal
        if reach is Reach.PUBLIC and literal is not None and not self._is_allowed(literal):
            return Answer(status=None, text=_PRIVATE)
        try:
            return await self._post(webhook, reach, headers)
        except TimeoutError:
            return Answer(status=None, text=f"no answer within {self._timeout_s:g} s")
        except (aiohttp.ClientError, OSError) as error:
            return Answer(status=None, text=_reason(error))

    async def _post(self, webhook: Webhook, reach: Reach, more: Mapping[str, str]) -> Answer:
        headers = {
            **more,
            "content-type": "application/json",
            "user-agent": f"relay/{__version__}",
            **signed_headers(self._keys, webhook.id, webhook.body, self._clock()),
        }
        proxy = self._proxies.proxy_for(webhook.url) if reach is Reach.ANY else None
        async with self._sessions[reach].post(
            webhook.url,
            data=webhook.body,
            headers=headers,
            allow_redirects=False,
            ssl=self._tls,
            proxy=None if proxy is None else proxy.url,
        ) as response:
            _, retry_after_s = parse_dates(response.headers, self._clock())
            return Answer(status=response.status, text=f"HTTP {response.status}", retry_after_s=retry_after_s)


def _reason(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorDNSError(os_error=NotPublic()):
            return _PRIVATE
        case aiohttp.ClientConnectorDNSError():
            return "its host does not resolve"
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return "TLS failed"
        case aiohttp.ClientHttpProxyError():
            return f"the proxy answered HTTP {error.status}"
        case aiohttp.ClientConnectorError():
            return "its host cannot be reached"
        case _:
            return "the connection broke"
