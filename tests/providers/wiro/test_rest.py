"""Tests for REST calls: what is sent, on which connection, and the error for each failure."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from relay.core.upstream import Run, UpstreamTask
from relay.errors import Code, UpstreamRejected, UpstreamUnavailable, UpstreamUnclear
from relay.providers.wiro.provider import WiroProvider
from relay.providers.wiro.signing import sign
from relay.providers.wiro.task_list import PAGE_TASKS
from tests.providers.conftest import Leap

RUN = Run(model="bytedance/seedream-v4", input={"prompt": "a lake", "maxImages": 1})
TASK = UpstreamTask(upstream_id="2221", socket_token="s0cketT0ken")
RAN = {"errors": [], "taskid": "2221", "socketaccesstoken": "s0cketT0ken", "result": True}
DONE = {"errors": [], "tasklist": [{"id": "2221", "status": "task_cancel"}], "result": True}
NOT_CANCELLABLE = {"errors": [{"code": 1, "message": "Task is not in a cancellable state."}], "result": False}
NOT_KILLED = {"errors": [{"code": 1, "message": "Task could not be killed: gone"}], "result": False}

Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Scripted:
    """A server with scripted responses: one per call, and the last one for all further calls."""

    url: str = ""
    replies: list[Reply] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    bodies: list[dict[str, object]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    peers: list[object] = field(default_factory=list)

    def says(self, *bodies: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.replies += [json_reply(body, status, headers) for body in bodies]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.raw_path)
        self.bodies.append(await request.json())
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        self.peers.append(request.transport.get_extra_info("peername") if request.transport else None)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        return await reply(request)


def json_reply(body: object, status: int, headers: dict[str, str] | None) -> Reply:
    async def reply(_request: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=status, headers=headers)

    return reply


@pytest.fixture
async def wiro() -> AsyncIterator[Scripted]:
    scripted = Scripted()
    app = web.Application()
    app.router.add_post("/{tail:.*}", scripted.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    scripted.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield scripted
    await runner.cleanup()


@pytest.fixture
async def provider(wiro: Scripted) -> AsyncIterator[WiroProvider]:
    provider = make(wiro.url)
    yield provider
    await provider.close()


def make(url: str, *, secret: str | None = "s3cr3t", timeout_s: float = 30.0) -> WiroProvider:
    return WiroProvider(
        api_key="k3y", api_secret=secret, api_url=url, socket_url="ws://127.0.0.1:1", request_timeout_s=timeout_s
    )


async def test_a_run_sends_the_input_as_given_and_signed(wiro: Scripted, provider: WiroProvider) -> None:
    """JSON with the names of the inputs, the callback URL, and a signature that matches the nonce."""
    wiro.says(RAN)

    task = await provider.run(
        Run(model=RUN.model, input={**RUN.input, "seed": None, "x": "\ud83d"}, callback_url="https://relay.test/hook")
    )

    assert task == TASK
    assert wiro.paths == ["/v1/Run/bytedance/seedream-v4"]
    assert wiro.bodies == [
        {"prompt": "a lake", "maxImages": 1, "seed": None, "x": "\ufffd", "callbackUrl": "https://relay.test/hook"}
    ]
    (headers,) = wiro.headers
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"].startswith("relay/")
    assert headers["x-api-key"] == "k3y"
    assert headers["x-signature"] == sign("k3y", "s3cr3t", headers["x-nonce"])


async def test_each_run_has_a_new_connection_and_reads_share_one(wiro: Scripted, provider: WiroProvider) -> None:
    """A kept-alive connection may be dead, which would leave the outcome of a run unknown."""
    wiro.says(RAN, RAN, {"tasklist": []})

    for _ in range(2):
        await provider.run(RUN)
    for _ in range(2):
        await provider.read_record(TASK)

    assert len(set(wiro.peers[:2])) == 2
    assert len(set(wiro.peers[2:])) == 1
    assert wiro.peers[2] not in wiro.peers[:2]


async def test_a_model_name_cannot_change_the_path(wiro: Scripted, provider: WiroProvider) -> None:
    """Special characters are quoted; a name that is not owner/name is rejected before sending."""
    wiro.says(RAN)
    await provider.run(Run(model="own er/a?b#c%2f", input={}))

    assert wiro.paths == ["/v1/Run/own%20er/a%3Fb%23c%252f"]
    for model in ("seedream", "a/b/c", "../Task", "a/..", "/x", "x/", ""):
        with pytest.raises(UpstreamRejected) as caught:
            await provider.run(Run(model=model, input={}))
        assert caught.value.code is Code.INVALID_INPUT
        assert caught.value.fields[0].field == "model"
    assert len(wiro.paths) == 1


async def test_an_input_that_cannot_be_encoded_is_rejected(wiro: Scripted, provider: WiroProvider) -> None:
    """The input is nested too deeply; the caller can correct it, and nothing is sent."""
    deep: object = "x"
    for _ in range(2000):
        deep = [deep]

    with pytest.raises(UpstreamRejected) as caught:
        await provider.run(Run(model=RUN.model, input={"prompt": deep}))

    assert caught.value.fields[0].field == "input"
    assert wiro.paths == []


async def test_a_refusal_comes_with_its_code_and_its_field(wiro: Scripted, provider: WiroProvider) -> None:
    """Wiro sends it with HTTP 200."""
    wiro.says({"result": False, "errors": [{"code": 0, "message": "Request parameter [prompt] required"}]})

    with pytest.raises(UpstreamRejected) as caught:
        await provider.run(RUN)

    assert caught.value.code is Code.INVALID_INPUT
    assert caught.value.fields[0].field == "input.prompt"


@pytest.mark.parametrize("header", ["7", "Fri, 31 Dec 2100 23:59:59 GMT", "soon", None])
async def test_a_rate_limit_says_how_long_to_wait(wiro: Scripted, provider: WiroProvider, header: str | None) -> None:
    """Seconds or a date; any other value is ignored."""
    wiro.says({}, status=429, headers={"Retry-After": header} if header else None)

    with pytest.raises(UpstreamRejected) as caught:
        await provider.run(RUN)

    assert caught.value.code is Code.RATE_LIMITED
    wait_s = caught.value.retry_after_s
    assert (wait_s is None) == (header in ("soon", None))
    assert wait_s is None or (wait_s == 7.0 if header == "7" else wait_s > 1e6)


async def test_a_refusal_does_not_show_the_token_of_the_earlier_task(wiro: Scripted, provider: WiroProvider) -> None:
    """A conversation sends it, the platform may quote it, and clients receive the refusal."""
    error = {"code": 1, "message": "[previousTaskToken] t0kenOfEarlier must be a completed task"}
    wiro.says({"errors": [error], "result": False})

    with pytest.raises(UpstreamRejected) as caught:
        await provider.run(Run(model=RUN.model, input={"prompt": "b", "previousTaskToken": "t0kenOfEarlier"}))

    assert wiro.bodies == [{"prompt": "b", "previousTaskToken": "t0kenOfEarlier"}]
    assert "[previousTaskToken] … must be a completed task" in str(caught.value)


async def test_a_refused_connection_is_unavailable(unused_tcp_port: int) -> None:
    """The connection is refused, so nothing was started."""
    provider = make(f"http://127.0.0.1:{unused_tcp_port}/v1")

    with pytest.raises(UpstreamUnavailable, match="could not be reached"):
        await provider.run(RUN)
    with pytest.raises(UpstreamUnavailable, match="could not be reached"):
        await provider.read_record(TASK)
    await provider.close()


async def test_a_connection_that_is_not_made_in_time_is_unavailable() -> None:
    """A listener with a full backlog drops what comes: nothing was sent, so nothing can have begun."""
    with socket.socket() as listener, ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(address)
        provider = make(f"http://127.0.0.1:{address[1]}/v1", timeout_s=0.6)

        with pytest.raises(UpstreamUnavailable, match="no connection within the time limit"):
            await provider.run(RUN)
        with pytest.raises(UpstreamUnavailable, match="no connection within the time limit"):
            await provider.read_record(TASK)
        await provider.close()


@pytest.mark.parametrize("url", ["http://name.invalid/v1", "ftp://127.0.0.1/v1"])
async def test_an_invalid_url_is_unavailable(url: str) -> None:
    """A name that does not resolve, a scheme that is no http: nothing was sent."""
    provider = make(url)

    with pytest.raises(UpstreamUnavailable):
        await provider.run(RUN)


async def test_a_missing_response_is_unclear(wiro: Scripted, provider: WiroProvider, leap: Leap) -> None:
    """The run was sent; that no answer came in time says nothing about it."""

    async def never(_request: web.Request) -> web.StreamResponse:
        leap(30.0)
        await asyncio.Event().wait()
        raise AssertionError

    wiro.replies.append(never)

    with pytest.raises(UpstreamUnclear, match=r"did not answer within 30 s"):
        await provider.run(RUN)


async def hang_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def break_off(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "application/json", "content-length": "1000"})
    await response.prepare(request)
    await response.write(b'{"taskid":"2221"')
    assert request.transport is not None
    request.transport.close()
    return response


async def bad_gzip(_request: web.Request) -> web.StreamResponse:
    return web.Response(body=b"no gzip", headers={"content-encoding": "gzip"})


@pytest.mark.parametrize("reply", [hang_up, break_off, bad_gzip])
async def test_a_connection_that_breaks_after_sending_is_unclear(
    wiro: Scripted, provider: WiroProvider, reply: Reply
) -> None:
    """Closed without an answer, in the middle of one, or with one that cannot be unpacked; and it is sent once."""
    wiro.replies.append(reply)

    with pytest.raises(UpstreamUnclear, match="broke before its answer was complete"):
        await provider.run(RUN)
    assert len(wiro.paths) == 1


async def test_an_oversized_response_is_unclear(wiro: Scripted, provider: WiroProvider) -> None:
    """Beyond 16 MiB nothing is read on."""

    async def long(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(ConnectionError):
            for _ in range(17):
                await response.write(b"x" * 2**20)
        return response

    wiro.replies.append(long)

    with pytest.raises(UpstreamUnclear, match="more than"):
        await provider.run(RUN)


async def test_a_redirect_is_not_followed(wiro: Scripted, provider: WiroProvider) -> None:
    """A run is sent once, and our key goes to nobody else."""
    wiro.says({}, status=307, headers={"location": "/v1/elsewhere"})

    with pytest.raises(UpstreamUnclear, match="a redirect: check WIRO_API_URL"):
        await provider.run(RUN)
    assert len(wiro.paths) == 1


async def test_html_from_a_gateway_is_unclear(wiro: Scripted, provider: WiroProvider) -> None:
    """The page itself is not shown."""

    async def page(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=502, text="<html>secret", content_type="text/html")

    wiro.replies.append(page)

    with pytest.raises(UpstreamUnclear) as caught:
        await provider.run(RUN)

    assert caught.value.detail == "Wiro answered HTTP 502 with text/html instead of JSON."


async def test_a_record_is_read_by_id_or_token(wiro: Scripted, provider: WiroProvider) -> None:
    """By id, else by token; a task of which nothing is known is not asked for."""
    wiro.says({"tasklist": [{"id": "2221", "status": "task_start"}]})

    found = await provider.read_record(TASK)
    await provider.read_record(UpstreamTask(upstream_id=None, socket_token="s0cketT0ken"))
    with pytest.raises(UpstreamRejected, match="neither an ID nor a token"):
        await provider.read_record(UpstreamTask(upstream_id=None, socket_token=None))

    assert found is not None
    assert found.status == "task_start"
    assert wiro.paths == ["/v1/Task/Detail"] * 2
    assert wiro.bodies == [{"taskid": "2221"}, {"tasktoken": "s0cketT0ken"}]


@pytest.mark.parametrize(
    ("started", "replies", "paths"),
    [
        (False, [DONE], ["/v1/Task/Cancel"]),
        (True, [DONE], ["/v1/Task/Kill"]),
        (False, [NOT_CANCELLABLE, DONE], ["/v1/Task/Cancel", "/v1/Task/Kill"]),
        (True, [NOT_KILLED, DONE], ["/v1/Task/Kill", "/v1/Task/Cancel"]),
    ],
)
async def test_a_task_is_canceled_or_else_killed(
    wiro: Scripted, provider: WiroProvider, started: bool, replies: list[object], paths: list[str]
) -> None:
    """Cancel is for waiting tasks, kill for running ones; the other follows a refusal. Cancel is asked in both ways."""
    wiro.says(*replies)

    await provider.stop(TASK, started=started)

    assert wiro.paths == paths
    cancel, kill = {"taskid": "2221", "tasktoken": "s0cketT0ken"}, {"taskid": "2221"}
    assert wiro.bodies == [cancel if path.endswith("Cancel") else kill for path in paths]


async def test_a_task_that_cannot_be_stopped_says_why(wiro: Scripted, provider: WiroProvider) -> None:
    """Both refusals are told."""
    wiro.says(NOT_CANCELLABLE, NOT_KILLED)

    with pytest.raises(UpstreamRejected, match=r"not in a cancellable state\. .*could not be killed: gone"):
        await provider.stop(TASK, started=False)


async def test_a_task_without_an_id_is_stopped_by_its_token(wiro: Scripted, provider: WiroProvider) -> None:
    """The token has another name in each of the two calls."""
    wiro.says(NOT_CANCELLABLE, DONE)

    await provider.stop(UpstreamTask(upstream_id=None, socket_token="s0cketT0ken"), started=False)

    assert wiro.bodies == [{"tasktoken": "s0cketT0ken"}, {"socketaccesstoken": "s0cketT0ken"}]


async def test_a_rate_limit_is_not_answered_with_a_second_call(wiro: Scripted, provider: WiroProvider) -> None:
    """Asking again at once would make it worse."""
    wiro.says({}, status=429)

    with pytest.raises(UpstreamRejected):
        await provider.stop(TASK, started=False)
    assert len(wiro.paths) == 1


async def test_the_check_reports_rejected_credentials(wiro: Scripted) -> None:
    """It lists one task, which costs nothing, and passes on what the operator can do."""
    wiro.says({"result": True, "errors": [], "total": "0", "tasklist": []})
    provider = make(wiro.url, secret=None)
    await provider.check()

    wiro.replies.clear()
    wiro.says({"result": False, "errors": ["Project authorization is not founded."]}, status=401)
    with pytest.raises(UpstreamRejected, match="check WIRO_API_KEY"):
        await provider.check()

    assert "x-signature" not in wiro.headers[0]
    await provider.close()


async def test_an_unknown_status_is_logged_once_per_task(wiro: Scripted, provider: WiroProvider) -> None:
    """It never ends the task."""
    for status in ("task_queue", "task_teleport", "task_teleport", "task_beam", "TASK_START", "task_teleport"):
        wiro.says({"result": True, "errors": [], "tasklist": [{"id": "2221", "status": status}]})
    with capture_logs() as lines:
        for _ in range(6):
            record = await provider.read_record(TASK)
            assert record is not None
            assert record.phase == "open"
        await provider.read_record(UpstreamTask(upstream_id="2222", socket_token=None))

    unknown = {"event": "wiro.unknown_status", "log_level": "warning"}
    assert lines == [
        unknown | {"status": "task_teleport", "upstream_id": "2221"},
        unknown | {"status": "task_beam", "upstream_id": "2221"},
        unknown | {"status": "task_teleport", "upstream_id": "2222"},
    ]


async def test_a_run_is_found_by_its_callback_url_at_any_time(wiro: Scripted, provider: WiroProvider) -> None:
    """If the local clock is slow, Wiro lists the run after the time at which it seems to have been sent."""
    run = Run(model=RUN.model, input=RUN.input, callback_url="https://relay.test/hook")
    newer = [{"id": str(number), "createtime": "1734514807"} for number in range(PAGE_TASKS)]
    newer[7] |= {"socketaccesstoken": "t7", "callbackurl": "https://relay.test/hook"}

    async def list_page(request: web.Request) -> web.StreamResponse:
        first_page = (await request.json())["start"] == "0"
        return web.json_response({"result": True, "errors": [], "tasklist": newer if first_page else []})

    wiro.replies.append(list_page)

    found = await provider.find(run, since=1_734_513_800, until=1_734_513_810)

    assert found.certain == UpstreamTask(upstream_id="7", socket_token="t7")


async def test_a_model_is_described_by_owner_and_name(wiro: Scripted, provider: WiroProvider) -> None:
    """Wiro takes them in two fields."""
    wiro.says({"result": True, "errors": [], "tool": [{"title": "Body", "parameters": []}]})

    model = await provider.describe("some/body")

    assert model is not None
    assert model.title == "Body"
    assert wiro.paths == ["/v1/Tool/Detail"]
    assert wiro.bodies == [{"slugowner": "some", "slugproject": "body"}]


async def test_a_callback_of_wiro_proves_nothing(provider: WiroProvider) -> None:
    """Wiro does not sign callbacks."""
    assert provider.verify_callback({}, b'{"id":"2221"}') is None


async def test_a_question_is_answered_as_the_platform_answers(wiro: Scripted, provider: WiroProvider) -> None:
    """Byte by byte, unless it is a refusal."""
    wiro.says({"result": True, "errors": [], "tool": [{"id": "7", "new": None}]}, NOT_KILLED)

    body = await provider.ask("/Tool/Detail", {"slugowner": "wiro"})

    assert body == b'{"result": true, "errors": [], "tool": [{"id": "7", "new": null}]}'
    assert (wiro.paths, wiro.bodies) == (["/v1/Tool/Detail"], [{"slugowner": "wiro"}])
    with pytest.raises(UpstreamRejected, match="could not be killed"):
        await provider.ask("/Tool/Detail", {})
