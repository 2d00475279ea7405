"""
Fuzz targets that send raw requests to a running relay: multipart bodies, JSON bodies, and whole requests.

The event loop runs only during a request, so that fuzzers without asyncio can use them.
"""

import asyncio
import re
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import cache

import orjson

from relay.app import Running, running
from relay.config import Config
from relay.sandbox import Sandbox
from tests.fuzz.target import Target
from tests.sample_files import png

KEY = "a-management-key-for-fuzzing"
BOUNDARY = b"b"
ASKED = 500
"""Number of requests after which the relay is replaced: it follows every task that they started."""

QUIET_S = 0.1
"""How long to wait for more of an answer: streams and incomplete bodies keep the connection open."""

GOOD = frozenset(
    {101, 200, 201, 202, 204, 304, 400, 401, 402, 403, 404, 405, 409, 411, 412, 413, 415, 416, 417, 422, 429}
)
UPSTREAM = 502
"""The simulated platform refuses invalid requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Status and head of the first answer, and everything after it."""

    status: int
    head: bytes
    body: bytes


class Live:
    """A relay with a simulated platform that answers one request at a time."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._relay: Running | None = None
        self._asked = 0

    def ask(self, request: bytes) -> Answer | None:
        """Send the bytes and return the answer, or None if there was none."""
        return self._runner.run(self._ask(request))

    async def _ask(self, request: bytes) -> Answer | None:
        if self._relay is None or self._asked % ASKED == 0:
            await self._begin()
        self._asked += 1
        assert self._relay is not None
        host, _, port = self._relay.url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        received = bytearray()
        try:
            writer.write(request)
            while piece := await asyncio.wait_for(reader.read(65_536), QUIET_S):
                received += piece
        except (TimeoutError, ConnectionResetError):
            pass
        finally:
            writer.transport.abort()
        await self._spool_emptied()
        head, _, body = bytes(received).partition(b"\r\n\r\n")
        found = re.match(rb"HTTP/1\.[01] (\d{3}) ", head)
        return Answer(status=int(found[1]), head=head, body=body) if found else None

    async def _spool_emptied(self) -> None:
        """Wait until the spool has no file of the request left."""
        assert self._relay is not None
        async with asyncio.timeout(60):
            while self._relay.context.spool.used_bytes:  # noqa: ASYNC110 -- the spool has no event
                await asyncio.sleep(0.001)

    async def _begin(self) -> None:
        await self._stack.aclose()
        sandbox = await self._stack.enter_async_context(Sandbox(speed=50))
        config = {
            "port": 0,
            "store": "memory:",
            "api_keys": (KEY,),
            "wiro_api_key": sandbox.api_key,
            "wiro_api_secret": sandbox.api_secret,
            "wiro_api_url": sandbox.api_url,
            "wiro_socket_url": sandbox.socket_url,
            "frame_ancestors": "https://*.example.com",
            "drain_s": 0.0,
        }
        self._relay = await self._stack.enter_async_context(running(Config.model_validate(config)))

    def close(self) -> None:
        """Stop the relay and the event loop."""
        self._runner.run(self._stack.aclose())
        self._runner.close()


@cache
def live() -> Live:
    """Return the instance that all targets share."""
    return Live()


def check_answer(request: bytes) -> Answer | None:
    """Send the request; assert a documented status, and a problem document for every error."""
    answer = live().ask(request)
    if answer is None:
        return None
    kind = re.search(rb"\r\ncontent-type: *([^\r;]+)", answer.head.lower())
    assert answer.status in GOOD or (answer.status == UPSTREAM and b'"code":"upstream_' in answer.body), answer
    if answer.status >= 400 and kind is not None and kind[1] != b"text/plain":  # aiohttp's own answer to malformed HTTP
        assert kind[1] == b"application/problem+json", answer
        assert orjson.loads(answer.body)["status"] == answer.status
    return answer


def _post(path: bytes, content_type: bytes, body: bytes) -> bytes:
    return (
        b"POST %b HTTP/1.1\r\nHost: relay\r\nAuthorization: Bearer %b\r\nConnection: close\r\n"
        b"Content-Type: %b\r\nContent-Length: %d\r\n\r\n%b"
    ) % (path, KEY.encode(), content_type, len(body), body)


def start_form(data: bytes) -> None:
    """Send a multipart body to `POST /v1/tasks`."""
    check_answer(_post(b"/v1/tasks", b"multipart/form-data; boundary=" + BOUNDARY, data))


def file_form(data: bytes) -> None:
    """Send a multipart body to `POST /v1/files`."""
    check_answer(_post(b"/v1/files", b"multipart/form-data; boundary=" + BOUNDARY, data))


def start_json(data: bytes) -> None:
    """Send a JSON body to `POST /v1/tasks`."""
    check_answer(_post(b"/v1/tasks", b"application/json", data))


def request(data: bytes) -> None:
    """Send a whole request: request line, headers and body."""
    check_answer(data + b"\r\n\r\n")  # an incomplete head is the subject of another test


def _part(disposition: bytes, data: bytes, more: bytes = b"") -> bytes:
    return b"--b\r\nContent-Disposition: form-data; %b\r\n%b\r\n%b\r\n" % (disposition, more, data)


def _get(target: bytes, headers: bytes = b"") -> bytes:
    line = b"GET %b HTTP/1.1\r\nHost: relay\r\nConnection: close\r\nAuthorization: Bearer %b\r\n%b\r\n"
    return line % (target, KEY.encode(), headers)


_TASK = _part(b'name="task"', b'{"model":"bytedance/seedream-v4","input":{"prompt":"a cat"}}')
_PICTURE = _part(b'name="inputImage"; filename="a.png"', png())
_MULTIPART = tuple(
    b"name= filename= filename*= filename*0= utf-8'' Content-Disposition Content-Type Content-Length --b --b-- "
    b'"task" Content-Transfer-Encoding Content-Encoding gzip base64 multipart/mixed charset= _charset_ ;'.split()
)
_HTTP = tuple(
    b"GET POST OPTIONS HEAD /v1/tasks /v1/ws /events /input /cancel /tokens /static/ /t/ /embed/ %00 %ff Origin: "
    b"Referer: Accept: Host: Range: Idempotency-Key: X-Forwarded-For: Access-Control-Request-Method:".split()
)

TARGETS = (
    Target(
        name="start-form",
        try_out=start_form,
        seeds=(
            _TASK + _PICTURE + b"--b--\r\n",
            _TASK + _part(b"name=\"inputImage\"; filename*=utf-8''a%20b.png", png()) + b"--b--\r\n",
            _TASK + _part(b'name="mask"; filename="../a.png"', b"x", b"Content-Length: 1\r\n") + b"--b--\r\n",
            _part(b'name="_charset_"', b"utf-8") + _TASK + b"--b--\r\n",
            _TASK + _part(b'name="inputImage"; filename="\xff.png"', png()) + b"--b--\r\n",
            _TASK + _part(b'name="\xff"; filename="a.png"', png()) + b"--b--\r\n",
            _TASK + _part(b"name=\"inputImage\"; filename*=nonsense''a%20b", png()) + b"--b--\r\n",
            _TASK + _part(b'name="a"; filename="a"', b"x", b"Content-Type: multipart/mixed\r\n") + b"--b--\r\n",
            _TASK + _part(b'name="inputImage"; filename="a.png"', b"x", b"Content-Length: -1\r\n") + b"--b--\r\n",
            _TASK + _PICTURE[:-20],
        ),
        words=_MULTIPART,
    ),
    Target(
        name="file-form",
        try_out=file_form,
        seeds=(
            _part(b'name="folder"', b"f") + _part(b'name="file"; filename="a.png"', png()) + b"--b--\r\n",
            _part(b'name="file"; filename="a"', b"text", b"Content-Type: text/plain\r\n") + b"--b--\r\n",
        ),
        words=_MULTIPART,
    ),
    Target(
        name="start-json",
        try_out=start_json,
        seeds=(b'{"model":"bytedance/text-to-image-seedream-v4","input":{"prompt":"a"},"tags":["g"],"metadata":{}}',),
        words=tuple(b"model input prompt provider tags metadata ttl seed size wiro".split()),
    ),
    Target(
        name="request",
        try_out=request,
        seeds=(
            _get(b"/v1/tasks?state=running&tag=g&provider=wiro&limit=10&cursor=1.5~t"),
            _get(b"/v1/tasks/aTask/events?after=0&limit=1", b"Accept: text/event-stream\r\nLast-Event-ID: e:1\r\n"),
            _get(b"/v1/tasks/aTask/input?token=a.b.c", b"Origin: https://a.example\r\n"),
            _get(b"/v1/models/bytedance/seedream-v4?provider=wiro"),
            _get(b"/embed/aTask", b"Sec-Fetch-Dest: iframe\r\nReferer: https://a.example:443/\r\n"),
            _get(b"/static/%2e%2e/relay.js", b"Range: bytes=0-1\r\nIf-Modified-Since: x\r\n"),
            _get(b"/v1/tasks?tag=%ff%00&provider=%ed%a0%80&cursor=%ff~"),
            _get(b"/v1/ws", b"Connection: Upgrade\r\nOrigin: \xff\r\nSec-WebSocket-Version: 13\r\n"),
            _get(b"/embed/aTask", b"Sec-Fetch-Dest: iframe\r\nReferer: https://a.example:99999/\r\n"),
            b"GET /v1/ws HTTP/1.1\r\nHost: relay\r\nX: \xff\r\n",
            b"GET /v1/ws HTTP/1.1\r\nHost: relay\r\nUpgrade: websocket\r\nConnection: \x80 close\r\n",
            _get(b"/embed/aTask", b"Sec-Fetch-Dest: iframe\r\nReferer: http://[\r\n"),
            _get(b"/v1/ws", b"Upgrade: websocket\r\nSec-WebSocket-Protocol: relay.v1, relay.token.a.b.c\r\n"),
            _post(b"/v1/tokens", b"application/json", b'{"tag":"g"}'),
            _post(b"/hooks/wiro/word", b"application/json", b"{}"),
        ),
        words=_HTTP,
    ),
)
