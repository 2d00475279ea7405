"""Wiro's REST calls: which path and body each has, signed. What an answer means is not decided here."""

from collections.abc import Mapping
from urllib.parse import quote

from relay.errors import Code, FieldError, UpstreamRejected
from relay.providers.http import Answer, Http
from relay.providers.values import dump
from relay.providers.wiro.signing import Signer


class Rest:
    """Wiro's REST side. It opens connections when they are needed; `close` lets go of them."""

    def __init__(self, *, signer: Signer, api_url: str, timeout_s: float) -> None:
        self._http = Http(
            name="Wiro", setting="WIRO_API_URL", api_url=api_url, timeout_s=timeout_s, headers=signer.headers
        )

    async def run(self, model: str, body: Mapping[str, object]) -> Answer:
        """
        Send a billable run.

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
        return await self._http.send(path, data)

    async def call(self, path: str, body: Mapping[str, object]) -> Answer:
        """
        Send a call that costs nothing.

        Raises:
            UpstreamUnavailable: nothing was sent.
            UpstreamUnclear: it was sent and not answered.
        """
        return await self._http.call("POST", path, data=dump(body))

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
