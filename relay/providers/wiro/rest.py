"""Wiro's REST calls: which path and body each has, signed. What an answer means is not decided here."""

from collections.abc import Mapping
from urllib.parse import quote

from relay.errors import Code, FieldError, UpstreamRejected
from relay.net.proxy import Proxy
from relay.providers.base import Attempt
from relay.providers.http import Answer, Http
from relay.providers.lenient_json import dump
from relay.providers.request_body import Body, JsonBody
from relay.providers.wiro.signing import Signer


class Rest:
    """Wiro's REST side. It opens connections when they are needed; `close` lets go of them."""

    def __init__(self, *, signer: Signer, api_url: str, timeout_s: float, proxy: Proxy | None = None) -> None:
        self._http = Http(
            name="Wiro",
            setting="WIRO_API_URL",
            api_url=api_url,
            timeout_s=timeout_s,
            headers=signer.headers,
            proxy=proxy,
        )

    async def run(self, model: str, body: Body, attempt: Attempt | None = None) -> Answer:
        """
        Send a billable run.

        Raises:
            UpstreamRejected: `model` is no `owner/name`; nothing was sent.
            UpstreamUnavailable: nothing was sent, or not all of it.
            UpstreamUnclear: it was sent and not answered.
        """
        return await self._http.send(f"/Run/{_slug(model)}", body, attempt)

    async def send(self, path: str, body: Body) -> Answer:
        """
        Send another call that must not be repeated.

        Raises:
            UpstreamUnavailable: nothing was sent, or not all of it.
            UpstreamUnclear: it was sent and not answered.
        """
        return await self._http.send(path, body)

    async def call(self, path: str, body: Mapping[str, object]) -> Answer:
        """
        Send a call that costs nothing.

        Raises:
            UpstreamUnavailable: nothing was sent.
            UpstreamUnclear: it was sent and not answered.
        """
        return await self._http.call("POST", path, body=JsonBody(dump(body)))

    async def close(self) -> None:
        """Let go of the kept connections; a later call opens new ones."""
        await self._http.close()


def _slug(model: str) -> str:
    parts = model.split("/")
    if len(parts) != 2 or any(part.strip(". ") == "" for part in parts):
        raise _wrong("model", "A Wiro model is written owner/name, as in bytedance/seedream-v4.")
    return "/".join(quote(part, safe="") for part in parts)


def _wrong(field: str, message: str) -> UpstreamRejected:
    """Refuse in Wiro's place what Wiro could not make sense of."""
    return UpstreamRejected(message, code=Code.INVALID_INPUT, fields=(FieldError(field=field, message=message),))
