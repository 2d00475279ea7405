"""A client of the simulated Wiro that sends JSON with the same headers in each call."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from relay.sandbox import API_KEY, API_SECRET, PLAIN_KEY, Sandbox

Body = dict[str, Any]
IMAGE = "bytedance/text-to-image-seedream-v4"


def signed(nonce: str) -> dict[str, str]:
    """Return the headers of a project with a secret, computed independently of the sandbox."""
    digest = hmac.new(API_KEY.encode(), f"{API_SECRET}{nonce}".encode(), hashlib.sha256).hexdigest()
    return {"x-api-key": API_KEY, "x-nonce": nonce, "x-signature": digest}


def plain() -> dict[str, str]:
    """Return the header of a project without a secret."""
    return {"x-api-key": PLAIN_KEY}


@dataclass(frozen=True, slots=True)
class Caller:
    """A client that sends JSON with the same headers in each call."""

    sandbox: Sandbox
    http: aiohttp.ClientSession
    headers: Mapping[str, str]

    async def post(self, path: str, body: object) -> Body:
        """Make a call and return the response; like the real clients, fail on an HTTP error."""
        async with self.http.post(f"{self.sandbox.api_url}{path}", json=body, headers=self.headers) as response:
            assert response.status == 200, await response.text()
            result: Body = await response.json()
            return result

    async def run(self, body: Body, model: str = IMAGE) -> Body:
        """Run a model and return the response, which must have an id and a token."""
        started = await self.post(f"/Run/{model}", body)
        assert started["result"] is True, started
        assert started["taskid"]
        assert started["socketaccesstoken"]
        return started

    async def held(self, stage: str) -> Body:
        """Run a task and wait until it is paused at a stage."""
        self.sandbox.next_run(hold_at=stage)
        started = await self.run({"prompt": "One poster"})
        await self.sandbox.until(started["taskid"], lambda task: task.holding_at)
        return started
