"""
Wiro's REST calls: signed, each sent once, with a time limit, the answer read whole and bounded.

It tells apart what matters for money: a call that never left (`UpstreamUnavailable`) from one that did and has no
answer (`UpstreamUnclear`). What an answer means is not decided here.
"""

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from urllib.parse import quote

import aiohttp

from relay import __version__
from relay.errors import Code, FieldError, UpstreamRejected, UpstreamUnavailable, UpstreamUnclear
from relay.providers.wiro.answers import Answer
from relay.providers.wiro.signing import Signer
from relay.providers.wiro.values import dump

BODY_LIMIT_BYTES = 16 * 2**20
"""The limit of Wiro's own clients."""

_CONNECT_LIMIT_S = 10.0


class Rest:
    """Wiro's REST side. It opens connections when they are needed; `close` lets go of them."""

    def __init__(self, *, signer: Signer, api_url: str, timeout_s: float) -> None:
        self._signer = signer
        self._api_url = api_url.rstrip("/")
        self._timeout_s = timeout_s
        self._connect_s = min(_CONNECT_LIMIT_S, timeout_s / 2)
        self._shared: aiohttp.ClientSession | None = None

    async def run(self, model: str, body: Mapping[str, object]) -> Answer:
        """
        Send a billable run, on a connection of its own.

        A kept connection may turn out dead after the request went into it, and nobody could tell whether it arrived.

        Raises:
            UpstreamRejected: `model` is no `owner/name`, or the body cannot be written; nothing was sent.
            UpstreamUnavailable: nothing was sent.
            UpstreamUnclear: it was sent and not answered.
        """
        path = f"/Run/{_slug(model)}"
        try:
            data = dump(body)
        except ValueError:
            raise _wrong("input", "The input is nested too deep.") from None
        timeout = aiohttp.ClientTimeout(total=self._timeout_s, connect=self._connect_s)
        async with aiohttp.ClientSession() as session:
            return await self._post(session, path, data=data, content_type="application/json", timeout=timeout)

    async def call(self, path: str, body: Mapping[str, object]) -> Answer:
        """
        Send a call that costs nothing, on a kept connection.

        Raises:
            UpstreamUnavailable: nothing was sent.
            UpstreamUnclear: it was sent and not answered.
        """
        if self._shared is None:
            self._shared = aiohttp.ClientSession()
        # Only the connecting itself is limited apart: waiting for one of the kept connections is no failure.
        timeout = aiohttp.ClientTimeout(total=self._timeout_s, sock_connect=self._connect_s)
        return await self._post(self._shared, path, data=dump(body), content_type="application/json", timeout=timeout)

    async def close(self) -> None:
        """Let go of the kept connections; a later call opens new ones."""
        shared, self._shared = self._shared, None
        if shared is not None:
            await shared.close()

    async def _post(
        self,
        session: aiohttp.ClientSession,
        path: str,
        *,
        data: bytes,
        content_type: str,
        timeout: aiohttp.ClientTimeout,
    ) -> Answer:
        headers = {
            "content-type": content_type,
            "accept": "application/json",
            "user-agent": f"relay/{__version__}",
            **self._signer.headers(),
        }
        try:
            async with session.post(
                self._api_url + path, data=data, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                return Answer(
                    status=response.status,
                    content_type=response.content_type,
                    body=await _read(response),
                    retry_after_s=_retry_after_s(response.headers.get("retry-after")),
                )
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError):
            raise UpstreamUnavailable("Wiro was not called: WIRO_API_URL is no http address.") from None
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise UpstreamUnavailable(f"Wiro could not be reached: {_why(error)}.") from error
        except TimeoutError:
            raise UpstreamUnclear(f"Wiro did not answer within {self._timeout_s:g} s.") from None
        except (aiohttp.ClientError, OSError):
            # The error itself can quote the answer, so it is not passed on.
            raise UpstreamUnclear("The connection to Wiro broke before its answer was complete.") from None


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > BODY_LIMIT_BYTES:
            raise UpstreamUnclear(f"Wiro answered HTTP {response.status} with more than {BODY_LIMIT_BYTES} bytes.")
    return bytes(body)


def _slug(model: str) -> str:
    parts = model.split("/")
    if len(parts) != 2 or any(part.strip(". ") == "" for part in parts):
        raise _wrong("model", "A Wiro model is written owner/name, as in bytedance/seedream-v4.")
    return "/".join(quote(part, safe="") for part in parts)


def _wrong(field: str, message: str) -> UpstreamRejected:
    """Refuse in Wiro's place what Wiro could not make sense of."""
    return UpstreamRejected(message, code=Code.INVALID_INPUT, fields=(FieldError(field=field, message=message),))


def _why(error: aiohttp.ClientError) -> str:
    match error:
        case aiohttp.ConnectionTimeoutError():
            return "no connection within the time limit"
        case aiohttp.ClientConnectorDNSError():
            return "its name does not resolve"
        case aiohttp.ClientSSLError():
            return "TLS failed"
        case aiohttp.ClientConnectorError(os_error=OSError(strerror=str(reason))):
            return reason
        case _:
            return "the connection failed"


def _retry_after_s(header: str | None) -> float | None:
    """Read seconds or an HTTP date."""
    if header is None:
        return None
    if re.fullmatch(r"[0-9]{1,9}", header.strip()):
        return float(header)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
