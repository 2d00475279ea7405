"""The contract of a provider, tested with each of them against the simulated platforms, over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.clock import uptime_s
from relay.core.events import Stage
from relay.core.upstream import File, Run, UpstreamTask
from relay.errors import Code, UpstreamError, UpstreamRejected, UpstreamUnavailable, UpstreamUnclear
from relay.providers.apikley.provider import ApikleyProvider
from relay.providers.base import Attempt, Provider
from relay.providers.wiro.provider import WiroProvider
from relay.sandbox import File as Arrived
from relay.sandbox import Sandbox
from tests.sample_files import png

KEY, SECRET = "a-key-that-must-not-leak", "a-secret-that-must-not-leak"
TASK = UpstreamTask(upstream_id="2221", socket_token="s0cketT0ken")

Make = Callable[..., Provider]


def make_wiro(origin: str, *, key: str = KEY, secret: str = SECRET, timeout_s: float = 30.0) -> Provider:
    return WiroProvider(
        api_key=key,
        api_secret=secret,
        api_url=f"{origin}/v1",
        socket_url=f"{origin.replace('http', 'ws')}/v1",
        request_timeout_s=timeout_s,
    )


def make_apikley(origin: str, *, key: str = KEY, secret: str = SECRET, timeout_s: float = 30.0) -> Provider:
    return ApikleyProvider(api_key=key, api_url=origin, webhook_secret=secret, request_timeout_s=timeout_s)


MAKERS: dict[str, Make] = {"wiro": make_wiro, "apikley": make_apikley}
MODELS = {"wiro": "bytedance/text-to-image-seedream-v4", "apikley": "bytedance/seedream-v4-text-to-image"}
NO_MONEY = {"wiro": "97:Insufficient balance", "apikley": "402:Insufficient credits"}


def keys(name: str, sandbox: Sandbox) -> dict[str, Any]:
    """Return the credentials of a provider."""
    if name == "wiro":
        return {"key": sandbox.api_key, "secret": sandbox.api_secret}
    return {"key": sandbox.apikley_key, "secret": sandbox.apikley_webhook_secret}


@dataclass(frozen=True, slots=True)
class Bench:
    """One provider and its simulated platform."""

    name: str
    sandbox: Sandbox
    provider: Provider

    @property
    def run(self) -> Run:
        """A run that the platform accepts."""
        return Run(model=MODELS[self.name], input={"prompt": "a lake at dawn"})

    @property
    def started(self) -> list[str]:
        """The ids of all tasks on the platform."""
        return [*(self.sandbox.tasks if self.name == "wiro" else self.sandbox.jobs)]

    @property
    def asked(self) -> int:
        """How many runs the platform has received."""
        return len(self.sandbox.runs if self.name == "wiro" else self.sandbox.created)

    async def until_ended(self, task_id: str) -> None:
        """Wait until a task has ended on the platform."""
        if self.name == "wiro":
            await self.sandbox.until(task_id, lambda task: task.verdict)
        else:
            await self.sandbox.jobs[task_id].until(lambda job: job.state in ("success", "fail"))


@pytest.fixture(params=[*MAKERS])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """Return each provider with its own sandbox."""
    async with Sandbox(speed=500) as sandbox:
        provider = MAKERS[request.param](sandbox.origin, **keys(request.param, sandbox))
        yield Bench(request.param, sandbox, provider)
        await provider.close()


async def test_a_run_is_started_and_its_record_ends(bench: Bench) -> None:
    """The record has the id, the stages, the results, the end and, if the platform names one, the price."""
    bench.sandbox.next_run(spelling="kie")
    task = await bench.provider.run(bench.run)
    assert bench.started == [task.upstream_id]
    await bench.until_ended(bench.started[0])

    record = await bench.provider.read_record(task)

    assert record is not None
    assert record.phase in ("finished", "succeeded")
    assert record.upstream_id == task.upstream_id
    assert {Stage.QUEUE, Stage.END, Stage.POSTPROCESS_END} <= set(record.stages)
    assert record.ended_at == record.stages[Stage.POSTPROCESS_END]
    assert [(output.content_type, output.name) for output in record.outputs] == [("image/png", "0.png")]
    assert record.cost is not None
    assert record.elapsed_s is not None


async def test_a_failed_run_has_a_failed_record(bench: Bench) -> None:
    """It has ended without results."""
    bench.sandbox.next_run(exit=1)
    task = await bench.provider.run(bench.run)
    await bench.until_ended(bench.started[0])

    record = await bench.provider.read_record(task)

    assert record is not None
    assert record.phase == "failed" or (record.phase == "finished" and record.exit_code == 1)
    assert record.outputs == ()


async def test_a_late_run_is_not_sent(bench: Bench) -> None:
    """Nothing was started, and the caller learns that it may attempt the run again."""
    attempt = Attempt(send_until_s=uptime_s())
    with pytest.raises(UpstreamUnavailable):
        await bench.provider.run(bench.run, attempt)

    assert attempt.late
    assert bench.started == []


async def test_a_refused_run_is_rejected_with_its_code(bench: Bench) -> None:
    """Nothing was started, and the platform's message is kept."""
    bench.sandbox.next_run(run_error=NO_MONEY[bench.name])

    with pytest.raises(UpstreamRejected) as caught:
        await bench.provider.run(bench.run)

    assert caught.value.code is Code.INSUFFICIENT_BALANCE
    assert caught.value.fault is not None
    assert f"{caught.value.fault.code}:{caught.value.fault.message}" == NO_MONEY[bench.name]
    assert bench.started == []


@pytest.mark.parametrize("name", [*MAKERS])
async def test_a_platform_that_cannot_be_reached_is_unavailable(name: str, unused_tcp_port: int) -> None:
    """Certainly nothing was started."""
    provider = MAKERS[name](f"http://127.0.0.1:{unused_tcp_port}")

    with pytest.raises(UpstreamUnavailable):
        await provider.run(Run(model=MODELS[name], input={"prompt": "x"}))
    with pytest.raises(UpstreamUnavailable):
        await provider.read_record(TASK)
    await provider.close()


@pytest.mark.parametrize("fault", ["drop", "hang", "200:truncated", "200:empty", "200:html"])
async def test_a_run_without_a_response_is_unclear(bench: Bench, fault: str) -> None:
    """It is sent once, whatever happens to the response."""
    provider = (
        MAKERS[bench.name](bench.sandbox.origin, **keys(bench.name, bench.sandbox), timeout_s=0.5)
        if fault == "hang"
        else None
    )
    bench.sandbox.next_run(run_http=fault)

    with pytest.raises(UpstreamUnclear):
        await (provider or bench.provider).run(bench.run)

    assert bench.asked == 1
    assert len(bench.started) == 1
    if provider is not None:
        await provider.close()


@pytest.mark.parametrize("fault", ["502:html", "503:empty", "500", "drop_before"])
async def test_a_run_with_a_server_error_is_unclear(bench: Bench, fault: str) -> None:
    """The error may be that of a gateway, and the server may have started the task."""
    bench.sandbox.next_run(run_http=fault)

    with pytest.raises(UpstreamUnclear):
        await bench.provider.run(bench.run)

    assert bench.asked == 1


async def test_a_record_that_does_not_exist_yet_is_null(bench: Bench) -> None:
    """It can lag behind the run."""
    bench.sandbox.next_run(detail_empty_polls=1)
    task = await bench.provider.run(bench.run)

    assert await bench.provider.read_record(task) is None
    assert await bench.provider.read_record(task) is not None


async def test_a_record_that_cannot_be_read_raises_with_the_time_to_wait(bench: Bench) -> None:
    """The error has the platform's Retry-After."""
    bench.sandbox.next_run(detail_http="503:html*1", retry_after_s=7)
    task = await bench.provider.run(bench.run)

    with pytest.raises(UpstreamUnclear) as caught:
        await bench.provider.read_record(task)
    assert caught.value.retry_after_s == 7.0
    assert await bench.provider.read_record(task) is not None


@pytest.fixture
def picture(tmp_path: Path) -> File:
    """Return a file in the spool."""
    path = tmp_path / "0"
    path.write_bytes(png())
    digest = sha256(png()).hexdigest()
    return File(
        input="inputImage",
        filename="my cat.png",
        content_type="image/png",
        size_bytes=len(png()),
        sha256=digest,
        path=path,
    )


async def test_files_are_sent_to_providers_that_accept_them(bench: Bench, picture: File) -> None:
    """Complete and by name, with a run and to the file store. Other providers are not called and raise."""
    run = replace(bench.run, model="bytedance/seedream-v4", files=(picture,))
    if not bench.provider.takes_files:
        with pytest.raises(UpstreamRejected):
            await bench.provider.upload(picture, None)
        with pytest.raises(UpstreamRejected):
            await bench.provider.create_folder("cats", None)
        return
    await bench.provider.run(run)
    folder = await bench.provider.create_folder("cats", None)
    stored = await bench.provider.upload(picture, folder.id)

    sent = [each.value for call in (bench.sandbox.runs[0], bench.sandbox.file_calls[-1]) for each in call.fields]
    arrived = [(file.filename, file.sha256) for file in sent if isinstance(file, Arrived)]
    assert arrived == [("my cat.png", picture.sha256)] * 2
    assert (stored.folder, stored.name, stored.size) == (folder.id, "my cat.png", len(png()))


@pytest.mark.parametrize("answer", ["list", "samples", "data"])
async def test_each_documented_response_of_the_file_store_is_read(picture: File, answer: str) -> None:
    """One page of the documentation has three of them for the two calls."""
    async with Sandbox() as sandbox:
        provider = make_wiro(sandbox.origin, **keys("wiro", sandbox))
        for _ in range(3):
            sandbox.next_file_call(file_answer=answer)
        folder = await provider.create_folder("cats", None)
        inner = await provider.create_folder("kittens", folder.id)
        stored = await provider.upload(picture, inner.id)
        await provider.close()

    assert (folder.name, inner.parent, stored.folder) == ("cats", folder.id, inner.id)
    assert (stored.content_type, stored.size) == ("image/png", len(png()))
    assert (stored.url is None) == (answer == "samples")


@pytest.mark.parametrize("fault", ["drop", "200:truncated", "502:html"])
async def test_an_upload_without_a_response_is_unclear_and_not_repeated(picture: File, fault: str) -> None:
    """A repetition could store the file twice."""
    async with Sandbox() as sandbox:
        provider = make_wiro(sandbox.origin, **keys("wiro", sandbox))
        sandbox.next_file_call(file_http=fault)
        with pytest.raises(UpstreamUnclear):
            await provider.upload(picture, None)
        await provider.close()

        assert len(sandbox.file_calls) == 1


@pytest.mark.parametrize("stop", ["65536", "65536:drop"])
async def test_an_upload_that_the_platform_refuses_midway_did_nothing(picture: File, stop: str) -> None:
    """The platform responds before it has read everything."""
    picture.path.write_bytes(png() + bytes(2**24))
    large = replace(picture, size_bytes=len(png()) + 2**24)
    async with Sandbox() as sandbox:
        provider = make_wiro(sandbox.origin, **keys("wiro", sandbox))
        sandbox.next_run(body_stop=stop)
        run = Run(model="bytedance/seedream-v4", input={"prompt": "x"}, files=(large,))
        with pytest.raises((UpstreamRejected, UpstreamUnavailable)):
            await provider.run(run)
        await provider.close()

        assert sandbox.tasks == {}


async def test_a_body_may_take_longer_than_the_timeout_of_a_call_while_it_moves(picture: File) -> None:
    """A slow platform is not a stalled one."""
    size_bytes = 2**22
    picture.path.write_bytes(png() + bytes(size_bytes - len(png())))
    async with Sandbox() as sandbox:
        provider = make_wiro(sandbox.origin, **keys("wiro", sandbox), timeout_s=1.0)
        sandbox.next_run(body_bytes_per_s=size_bytes // 2)
        run = Run(
            model="bytedance/seedream-v4", input={"prompt": "x"}, files=(replace(picture, size_bytes=size_bytes),)
        )
        task = await provider.run(run)
        await provider.close()

        assert list(sandbox.tasks) == [task.upstream_id]


async def test_the_record_of_a_task_without_an_id_or_token_is_not_requested(bench: Bench) -> None:
    """There is nothing to identify it by."""
    with pytest.raises(UpstreamRejected):
        await bench.provider.read_record(UpstreamTask(upstream_id=None, socket_token=None))


async def test_a_search_finds_nothing_if_nothing_was_started(bench: Bench) -> None:
    """No other task is taken for it."""
    found = await bench.provider.find(bench.run, since=0, until=2e9)

    assert (found.certain, found.likely) == (None, ())


async def test_a_provider_does_what_it_declares(bench: Bench) -> None:
    """Streaming and stopping work if it declares them, and raise if it does not."""
    bench.sandbox.next_run(hold_at="task_queue")
    task = await bench.provider.run(bench.run)

    if bench.provider.streams:
        async with bench.provider.follow(task):
            pass
    else:
        with pytest.raises(UpstreamUnavailable):
            async with bench.provider.follow(task):
                pass
    if bench.provider.stops:
        await bench.provider.stop(task, started=False)
        await bench.until_ended(bench.started[0])
    else:
        with pytest.raises(UpstreamRejected):
            await bench.provider.stop(task, started=False)


async def test_the_check_accepts_valid_keys_and_refuses_others(bench: Bench) -> None:
    """It costs nothing and starts nothing. The error names the setting."""
    await bench.provider.check()
    stranger = MAKERS[bench.name](bench.sandbox.origin)
    with pytest.raises(UpstreamRejected, match=f"check {bench.name.upper()}_API_KEY"):
        await stranger.check()
    await stranger.close()

    assert bench.asked == 0


async def test_no_error_repr_or_log_has_a_secret(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """Key, secret and socket token, whatever goes wrong."""
    provider = MAKERS[bench.name](bench.sandbox.origin)
    said = [repr(provider), repr(TASK)]
    for call in (provider.check(), provider.run(bench.run), provider.read_record(TASK)):
        with pytest.raises(UpstreamError) as caught:
            await call
        said += [str(caught.value), repr(caught.value), repr(caught.value.fault), repr(caught.value.fields)]
    await provider.close()
    captured = capsys.readouterr()

    told = "\n".join([*said, captured.out, captured.err])
    for secret in (KEY, SECRET, "s0cketT0ken"):
        assert secret not in told


_words = st.sampled_from(
    (
        "",
        "success",
        "fail",
        "generating",
        "task_postprocess_end",
        "null",
        "[]",
        "{}",
        '{"resultUrls":["https://x/0.png"]}',
    )
)
_leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from((200, 402, 422, 500, 501))
    | _words
    | st.text(max_size=10)
)
_names = st.sampled_from(
    (
        *(
            "code",
            "msg",
            "message",
            "data",
            "taskId",
            "task_id",
            "state",
            "resultJson",
            "failCode",
            "failMsg",
            "progress",
        ),
        *("createTime", "updateTime", "completeTime", "creditsConsumed", "resultUrls", "resultObject", "model"),
        *("result", "errors", "tasklist", "taskid", "socketaccesstoken", "status", "outputs", "pexit", "totalcost"),
    )
)
_trees = st.recursive(
    _leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=6), max_leaves=25
)
_objects = st.dictionaries(_names, _trees, max_size=8)


def _plain(tree: object) -> object:
    """Return a tree that JSON can represent: integers of more than 64 bits become strings."""
    match tree:
        case dict():
            return {name: _plain(value) for name, value in tree.items()}
        case list():
            return [_plain(value) for value in tree]
        case int() if abs(tree) > 2**63:
            return str(tree)
        case _:
            return tree


_bodies = (_objects | _trees).map(_plain).map(orjson.dumps) | st.binary(max_size=40)


@pytest.mark.parametrize("name", [*MAKERS])
@given(body=_bodies, status=st.sampled_from((200, 200, 200, 201, 302, 401, 404, 422, 429, 500, 502)))
@settings(max_examples=60, deadline=None)
def test_any_response_is_read_or_raises_an_upstream_error(name: str, body: bytes, status: int) -> None:
    """Any JSON or none, with any status."""
    asyncio.run(_answered(MAKERS[name], body, status))


async def _answered(make: Make, body: bytes, status: int) -> None:
    async def reply(_request: web.Request) -> web.Response:
        return web.Response(status=status, body=body, content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", reply)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    provider = make(f"http://127.0.0.1:{runner.addresses[0][1]}")
    run = Run(model="a/b", input={"prompt": "x"})
    calls: list[Awaitable[object]] = [
        provider.run(run),
        provider.read_record(TASK),
        provider.find(run, since=0, until=2e9),
        provider.check(),
        provider.stop(TASK, started=True),
        provider.create_folder("cats", None),
    ]
    try:
        for call in calls:
            with suppress(UpstreamError):
                orjson.dumps(await call, default=dict)  # what was read can be written to the journal
    finally:
        await provider.close()
        await runner.cleanup()
