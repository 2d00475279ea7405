"""Send Wiro's REST calls, signed. Responses are parsed in `relay.providers.wiro.responses`."""

from collections.abc import Mapping
from urllib.parse import quote

from relay.errors import Code, FieldError, UpstreamRejected
from relay.net.proxy import Proxy
from relay.providers.base import Attempt
from relay.providers.counts import UpstreamCounts
from relay.providers.http import HttpClient
from relay.providers.lenient_json import dump
from relay.providers.request_body import Body, JsonBody
from relay.providers.response import Response
from relay.providers.wiro.signing import Signer


class Rest:
    """The REST calls to Wiro. Connections open on demand; `close` closes them."""

    def __init__(
        self,
        *,
        signer: Signer,
        api_url: str,
        timeout_s: float,
        proxy: Proxy | None = None,
        counts: UpstreamCounts | None = None,
    ) -> None:
        self._http = HttpClient(
            name="Wiro",
            setting="WIRO_API_URL",
            api_url=api_url,
            timeout_s=timeout_s,
            headers=signer.headers,
            proxy=proxy,
            counts=counts,
        )

    async def run(self, model: str, body: Body, attempt: Attempt | None = None) -> Response:
        """
        Send a billable run.

        Raises:
            UpstreamRejected: `model` is not `owner/name`; nothing was sent.
            UpstreamUnavailable: nothing was sent, or not all of it.
            UpstreamUnclear: it was sent, and no response was received.
        """
        return await self._http.send(f"/Run/{_slug(model)}", body, attempt, endpoint="/Run")

    async def send(self, path: str, body: Body) -> Response:
        """
        Send another call that must not be repeated.

        Raises:
            UpstreamUnavailable: nothing was sent, or not all of it.
            UpstreamUnclear: it was sent, and no response was received.
        """
        return await self._http.send(path, body)

    async def call(self, path: str, body: Mapping[str, object]) -> Response:
        """
        Send a call that is free of charge.

        Raises:
            UpstreamUnavailable: nothing was sent.
            UpstreamUnclear: it was sent, and no response was received.
        """
        return await self._http.call("POST", path, body=JsonBody(dump(body)))

    async def close(self) -> None:
        """Close the kept-alive connections; a later call opens new ones."""
        await self._http.close()


def _slug(model: str) -> str:
    parts = model.split("/")
    if len(parts) != 2 or any(part.strip(". ") == "" for part in parts):
        message = "A Wiro model must have the form owner/name, such as bytedance/seedream-v4."
        fields = (FieldError(field="model", message=message),)
        raise UpstreamRejected(message, code=Code.INVALID_INPUT, fields=fields)
    return "/".join(quote(part, safe="") for part in parts)
