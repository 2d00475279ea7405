"""
A receiver of the relay's webhooks, to watch them come in.

    POST /receiver              verifies the signature and answers 204; with ?status=503 it answers that instead
    GET  /receiver              a page that lists what has come in, newest first

It checks signatures by the specification alone: https://github.com/standard-webhooks/standard-webhooks.
"""

import hmac
import json
import time
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from typing import Final

from aiohttp import web

WEBHOOK_SECRET: Final = "whsec_c2FuZGJveC1yZWNlaXZlci1zZWNyZXQtMzItYnl0ZXM="  # noqa: S105 -- of the simulated receiver
"""What the sender has to sign with."""

PATH: Final = "/receiver"

MOST: Final = 200
"""How many webhooks are kept."""

TOLERANCE_S: Final = 300.0
"""How old a signature may be."""

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="2">
<title>Webhooks received</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 0.9375rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ padding: 0.4rem 0.8rem 0.4rem 0; border-bottom: 1px solid #8884; text-align: start }}
</style>
</head>
<body>
<h1>Webhooks received</h1>
<p>A server that the relay notifies. The page renews itself every two seconds.</p>
<table>
<thead><tr><th>Time</th><th>Type</th><th>Model</th><th>State</th><th>Task</th><th>Signature</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</body>
</html>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A webhook that has come in."""

    id: str
    type: str
    data: Mapping[str, object]
    verified: bool
    at: float
    """In unix seconds."""


class Receiver:
    """Keeps the last MOST webhooks."""

    def __init__(self) -> None:
        self.received: deque[Received] = deque(maxlen=MOST)

    def add_routes(self, app: web.Application) -> None:
        """Add the routes to an application."""
        app.router.add_post(PATH, self._receive)
        app.router.add_get(PATH, self._show)

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        verified = is_signed(request.headers, body, time.time())
        try:
            message = json.loads(body)
            kind, data = str(message["type"]), dict(message["data"])
        except (ValueError, TypeError, KeyError):
            return web.Response(status=400, text="the body must be JSON with `type` and `data`")
        self.received.appendleft(
            Received(id=request.headers.get("webhook-id", ""), type=kind, data=data, verified=verified, at=time.time())
        )
        status = request.query.get("status", "204")
        if not verified:
            return web.Response(status=401)
        return web.Response(status=int(status) if status.isdecimal() and 200 <= int(status) <= 599 else 204)

    async def _show(self, _request: web.Request) -> web.Response:
        rows = "\n".join(map(_row, self.received))
        return web.Response(text=_PAGE.format(rows=rows), content_type="text/html")


def is_signed(headers: Mapping[str, str], body: bytes, now: float) -> bool:
    """Return whether one of the signatures in the headers is that of WEBHOOK_SECRET, and not too old."""
    sent_at = headers.get("webhook-timestamp", "")
    if not sent_at.isdecimal() or abs(now - int(sent_at)) > TOLERANCE_S:
        return False
    key = b64decode(WEBHOOK_SECRET.removeprefix("whsec_"))
    content = b".".join((headers.get("webhook-id", "").encode(), sent_at.encode(), body))
    expected = f"v1,{b64encode(hmac.new(key, content, sha256).digest()).decode()}".encode()
    given = headers.get("webhook-signature", "").encode().split()
    return any(hmac.compare_digest(each, expected) for each in given)


def _row(one: Received) -> str:
    at = time.strftime("%H:%M:%S", time.localtime(one.at))
    cells = (
        *(at, one.type, one.data.get("model", ""), one.data.get("state", ""), one.data.get("id", "")),
        "verified" if one.verified else "wrong",
    )
    return f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in cells)}</tr>"
