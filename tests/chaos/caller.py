"""Calls to the relay as a careful client makes them: again after every loss, under one idempotency key."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from random import Random

import aiohttp
import orjson

from tests.chaos.relay_process import KEY
from tests.chaos.viewers import LOST, Place
from tests.chaos.wishes import Wish

CANCEL_ANSWERS = (202, 409, 429, 502)


class Caller:
    """
    A client of the relay's REST API.

    Args:
        session: calls the relay with its API key.
        seed: of the pauses, and what the idempotency keys begin with.
        come_back: the statuses after which a call is made again, because they say that the relay or the platform
            cannot do it now.
    """

    def __init__(self, session: aiohttp.ClientSession, seed: int, *, come_back: frozenset[int] = frozenset()) -> None:
        self.session = session
        self.answers: Counter[int] = Counter()
        """How many answers had each status."""
        self._seed = seed
        self._random = Random(f"{seed}:caller")
        self._come_back = come_back

    async def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        json: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """Return the status and the body of the first answer that is final."""
        while True:
            try:
                async with self.session.request(method, path, params=params, json=json, headers=headers) as answer:
                    body = await answer.read()
            except LOST:
                await asyncio.sleep(self._random.uniform(0.05, 0.4))
                continue
            self.answers[answer.status] += 1
            if answer.status not in self._come_back:
                return answer.status, body
            await asyncio.sleep(self._random.uniform(0.5, 2.0))

    async def get(self, path: str, params: Mapping[str, str | int] | None = None) -> bytes:
        """Return what is at an address; it must be there."""
        status, body = await self.call("GET", path, params=params)
        assert status == 200, f"GET {path}: {status} {body!r}"
        return body

    async def post(self, wish: Wish) -> Place:
        """Start the task of a wish, and return where it can be watched."""
        status, body = await self.call(
            "POST",
            "/v1/tasks",
            json={"model": wish.model, "input": {"prompt": wish.prompt}, "tags": [wish.tag]},
            headers={"Idempotency-Key": f"{self._seed}-{wish.number}"},
        )
        said = orjson.loads(body)
        if status in (201, 202):
            return Place(task=said["task"]["id"], credential=said["token"])
        assert wish.refused, f"{wish}: {status} {said}"
        return Place(task=said["task"], credential=KEY)

    async def attach(self, wish: Wish, socket_token: str) -> Place:
        """Have a task followed that was started without the relay."""
        status, body = await self.call(
            "POST", "/v1/tasks/attach", json={"socket_token": socket_token, "tags": [wish.tag]}
        )
        said = orjson.loads(body)
        assert status in (200, 201), f"{wish}: {status} {said}"
        return Place(task=said["task"]["id"], credential=said["token"])

    async def cancel(self, place: Place) -> None:
        """Ask for a task to be stopped."""
        status, body = await self.call("POST", f"/v1/tasks/{place.task}/cancel")
        assert status in CANCEL_ANSWERS, f"cancel of {place.task}: {status} {body!r}"
