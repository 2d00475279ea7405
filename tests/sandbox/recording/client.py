"""A client of a sandbox that plays a recording."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from relay.sandbox import PLAIN_KEY, Sandbox
from tests.lab import Line

MODEL = "lab/any"

Body = dict[str, Any]


class Client:
    """A client of a sandbox that plays a recording."""

    def __init__(self, sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.http = http

    async def post(self, call: str, **body: object) -> Body:
        """Make a call to Wiro and return the JSON of the response."""
        async with self.http.post(f"{self.sandbox.api_url}/{call}", json=body) as response:
            parsed: Body = await response.json()
            return parsed

    async def run(self, model: str = MODEL, **body: object) -> tuple[str, str]:
        """Run a model and return the id and the token of the task."""
        response = await self.post(f"Run/{model}", **{"prompt": "a cat"} | body)
        return response["taskid"], response["socketaccesstoken"]

    async def detail(self, task: str) -> Body:
        """Return a task's entry in Task/Detail."""
        entry: Body = (await self.post("Task/Detail", taskid=task))["tasklist"][0]
        return entry

    @asynccontextmanager
    async def subscribed(self, token: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Open a socket and subscribe to a task."""
        async with self.http.ws_connect(self.sandbox.socket_url) as socket:
            await socket.receive()  # the welcome
            await socket.send_json({"type": "task_info", "tasktoken": token})
            yield socket


@asynccontextmanager
async def playing(*lines: Line, **settings: Any) -> AsyncIterator[Client]:
    """Start a sandbox that plays these lines; end the test after 60 seconds."""
    async with (
        Sandbox(script=lines, **settings) as sandbox,
        aiohttp.ClientSession(headers={"x-api-key": PLAIN_KEY}) as http,
    ):
        async with asyncio.timeout(60):
            yield Client(sandbox, http)


async def to_the_end(socket: aiohttp.ClientWebSocketResponse) -> list[Body]:
    """Return all frames up to the terminal one."""
    frames: list[Body] = []
    while not frames or frames[-1]["type"] not in ("task_postprocess_end", "task_cancel"):
        frames.append(await socket.receive_json())
    return frames


async def raw_post(client: Client, call: str, **body: object) -> tuple[int, dict[str, str], bytes]:
    """Make a call to Wiro and return the status, headers and body of the response."""
    async with client.http.post(f"{client.sandbox.api_url}/{call}", json=body) as response:
        return response.status, dict(response.headers), await response.read()
