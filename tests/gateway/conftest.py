"""A relay that serves the gateway, and a client of it that has a signed key."""

import hmac
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from hashlib import sha256
from typing import Any

import aiohttp
import pytest

from relay.app import Running
from relay.sandbox import Sandbox

KEY = "an-api-key-of-the-relay-for-wiro-clients"
SECRET = "a-secret-of-the-relay"
UNSIGNED_KEY = "an-api-key-without-a-secret"

MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]


class WiroClient:
    """Calls as Wiro's clients do."""

    def __init__(self, session: aiohttp.ClientSession, base: str, key: str = "", secret: str = "") -> None:
        self.session = session
        self.base = base
        self.signed = partial(signed, key or KEY, secret or SECRET)
        self.said: list[Any] = []
        """All answers and frames."""

    async def __call__(self, path: str, fields: Any = None, **headers: str) -> dict[str, Any]:
        """Send a signed call with a JSON body, or with a form; other headers replace those."""
        data: Any = {"data": fields} if isinstance(fields, aiohttp.FormData) else {"json": fields or {}}
        async with self.session.post(f"{self.base}/{path}", **data, headers=headers or self.signed()) as answer:
            body: dict[str, Any] = await answer.json()
            self.said.append(body)
            return {"status": answer.status, **body}

    async def frames(self, *tokens: str, until: str = "") -> AsyncIterator[dict[str, Any]]:
        """Yield the frames of tasks until each of them has ended, or has reached a stage."""
        async with self.session.ws_connect(self.base) as socket:
            assert await socket.receive_json() == {"type": "connected", "version": "1.0"}
            for token in tokens:
                await socket.send_json({"type": "task_info", "tasktoken": token})
            going = set(tokens)
            while going:
                frame = await socket.receive_json()
                self.said.append(frame)
                yield frame
                if frame["type"] in ("task_postprocess_end", "task_cancel", until):
                    going.discard(frame["tasktoken"])


def signed(key: str = KEY, secret: str = SECRET) -> dict[str, str]:
    """Return the headers of a signed call (https://wiro.ai/docs, "Authentication")."""
    nonce = str(int(time.time()))
    signature = hmac.new(key.encode(), (secret + nonce).encode(), sha256).hexdigest()
    return {"x-api-key": key, "x-nonce": nonce, "x-signature": signature}


@pytest.fixture
async def relay(make_relay: MakeRelay, sandbox: Sandbox) -> AsyncIterator[Running]:
    """Start a relay with the gateway."""
    keys = (f"app={KEY}", f"server={UNSIGNED_KEY}")
    async with make_relay(gateway="wiro", api_keys=keys, gateway_secrets=(f"app={SECRET}",)) as started:
        yield started


@pytest.fixture
async def wiro(relay: Running) -> AsyncIterator[WiroClient]:
    """Open a client."""
    async with aiohttp.ClientSession() as session:
        yield WiroClient(session, f"{relay.url}/wiro/v1")
