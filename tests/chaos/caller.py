"""A client of the REST API that repeats a call after every lost connection, with the same idempotency key."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from random import Random

import aiohttp
import orjson

from tests.chaos.relay_process import KEY
from tests.chaos.viewers import LOST, TaskLink
from tests.chaos.workload import PlannedTask

CANCEL_ANSWERS = (202, 409, 429, 502)


class Caller:
    """
    A client of the relay's REST API.

    Args:
        session: calls the relay with its API key.
        seed: seed of the pauses, and prefix of the idempotency keys.
        come_back: statuses after which a call is repeated.
        patience_s: how long it waits for an answer before it repeats a call; null for ever.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        seed: int,
        *,
        come_back: frozenset[int] = frozenset(),
        patience_s: float | None = None,
    ) -> None:
        self.session = session
        self.answers: Counter[int] = Counter()
        """The number of answers by status."""
        self._seed = seed
        self._random = Random(f"{seed}:caller")
        self._come_back = come_back
        self._patience_s = patience_s

    async def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        json: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """Repeat a call until its answer is final; return status and body."""
        while True:
            try:
                async with (
                    asyncio.timeout(self._patience_s),
                    self.session.request(method, path, params=params, json=json, headers=headers) as answer,
                ):
                    body = await answer.read()
            except LOST:
                await asyncio.sleep(self._random.uniform(0.05, 0.4))
                continue
            self.answers[answer.status] += 1
            if answer.status not in self._come_back:
                return answer.status, body
            await asyncio.sleep(self._random.uniform(0.5, 2.0))

    async def get(self, path: str, params: Mapping[str, str | int] | None = None) -> bytes:
        """Return the body of a path that must answer 200."""
        status, body = await self.call("GET", path, params=params)
        assert status == 200, f"GET {path}: {status} {body!r}"
        return body

    async def post(self, planned: PlannedTask) -> TaskLink:
        """Start a planned task."""
        status, body = await self.call(
            "POST",
            "/v1/tasks",
            json={"model": planned.model, "input": {"prompt": planned.prompt}, "tags": [planned.tag]},
            headers={"Idempotency-Key": f"{self._seed}-{planned.number}"},
        )
        answer = orjson.loads(body)
        if status in (201, 202):
            return TaskLink(task=answer["task"]["id"], credential=answer["token"])
        assert planned.refused, f"{planned}: {status} {answer}"
        return TaskLink(task=answer["task"], credential=KEY)

    async def attach(self, planned: PlannedTask, socket_token: str) -> TaskLink:
        """Attach the relay to a task that was started without it."""
        status, body = await self.call(
            "POST", "/v1/tasks/attach", json={"socket_token": socket_token, "tags": [planned.tag]}
        )
        answer = orjson.loads(body)
        assert status in (200, 201), f"{planned}: {status} {answer}"
        return TaskLink(task=answer["task"]["id"], credential=answer["token"])

    async def cancel(self, link: TaskLink) -> None:
        """Request the cancellation of a task."""
        status, body = await self.call("POST", f"/v1/tasks/{link.task}/cancel")
        assert status in CANCEL_ANSWERS, f"cancel of {link.task}: {status} {body!r}"
