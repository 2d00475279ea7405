"""Tests of the provider against the sandbox, which shares no code with it: every call, over real sockets."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import pairwise
from typing import Literal

import pytest

from relay.core.events import Cost, Output, Stage
from relay.core.signals import EndSeen, LogSeen, ProgressSeen, Signal, StageSeen, TextSeen
from relay.core.upstream import Run, UpstreamTask
from relay.errors import Code, UpstreamRejected, UpstreamUnclear
from relay.providers.base import Provider
from relay.providers.wiro.provider import WiroProvider
from relay.sandbox import Sandbox
from tests.providers.conftest import Leap

IMAGE = Run(model="bytedance/text-to-image-seedream-v4", input={"prompt": "a lake at dawn"})
CHAT = Run(model="wiro/sandbox-chat", input={"prompt": "rivers"})


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def sandbox(stack: AsyncExitStack) -> Sandbox:
    return await stack.enter_async_context(Sandbox(speed=1000.0, nonce_once=True))


@pytest.fixture
def provider(sandbox: Sandbox, stack: AsyncExitStack) -> Provider:
    return connected(sandbox, stack, sandbox.api_secret)


def connected(sandbox: Sandbox, stack: AsyncExitStack, api_secret: str | None, api_key: str | None = None) -> Provider:
    provider = WiroProvider(
        api_key=api_key or sandbox.api_key,
        api_secret=api_secret,
        api_url=sandbox.api_url,
        socket_url=sandbox.socket_url,
    )
    stack.push_async_callback(provider.close)
    return provider


async def told(provider: Provider, task: UpstreamTask) -> list[Signal]:
    """Follow a task until a frame reports its end."""
    signals: list[Signal] = []
    async with provider.follow(task) as frames:
        async for signal in frames:
            signals.append(signal)
            if isinstance(signal, EndSeen):
                break
    return signals


@pytest.mark.parametrize("dialect", ["gen0", "gen1", "gen2"])
async def test_an_image_is_followed_from_the_queue_to_its_outputs(
    sandbox: Sandbox, provider: Provider, dialect: Literal["gen0", "gen1", "gen2"]
) -> None:
    """Every stage, some progress and the outputs, in each of the three dialects; the record agrees with the socket."""
    sandbox.next_run(dialect=dialect, await_subscriber=True, stderr_lines=2)
    task = await provider.run(IMAGE)

    signals = await told(provider, task)
    record = await provider.read_record(task)

    stages = {signal.stage for signal in signals if isinstance(signal, StageSeen)}
    assert stages == set(Stage) - {Stage.POSTPROCESS_END}
    percents = [signal.progress.percent for signal in signals if isinstance(signal, ProgressSeen)]
    assert {0.0, 100.0} <= set(percents)
    assert sum(isinstance(signal, LogSeen) and signal.stream == "stderr" for signal in signals) == 2
    end = signals[-1]
    assert isinstance(end, EndSeen)
    assert (end.success, end.exit_code) == ((True, 0) if dialect == "gen2" else (None, None))
    assert record is not None
    assert (record.phase, record.exit_code, record.upstream_id) == ("finished", 0, task.upstream_id)
    assert set(record.stages) == set(Stage)
    assert record.ended_at == record.stages[Stage.POSTPROCESS_END]
    assert isinstance(record.cost, Cost)
    assert record.outputs
    assert record.outputs == end.outputs
    assert all(output.url and output.size for output in record.outputs)


@pytest.mark.parametrize("dialect", ["gen1", "gen2"])
async def test_an_answer_grows_and_its_parts_keep_their_order(
    sandbox: Sandbox, provider: Provider, dialect: Literal["gen1", "gen2"]
) -> None:
    """Two lists or segments: each state continues the one before it."""
    sandbox.next_run(dialect=dialect, await_subscriber=True, finish_reason="length")
    task = await provider.run(CHAT)

    states = [signal.parts for signal in await told(provider, task) if isinstance(signal, TextSeen)]

    assert [part.kind for part in states[-1]] == ["thinking", "answer"]
    for before, after in pairwise(states):
        assert len(after) >= len(before)
        assert all(new.text.startswith(old.text) for old, new in zip(before, after, strict=False))
    record = await provider.read_record(task)
    assert record is not None
    assert [output.content_type for output in record.outputs] == ["raw"]
    assert len(record.warnings) == (1 if dialect == "gen2" else 0)


async def test_text_bars_are_progress_too(sandbox: Sandbox, provider: Provider) -> None:
    """A model that only prints tqdm's bars still has a percent."""
    sandbox.next_run(await_subscriber=True, tqdm=True)
    task = await provider.run(IMAGE)

    progress = [signal.progress for signal in await told(provider, task) if isinstance(signal, ProgressSeen)]

    assert 100.0 in [each.percent for each in progress]
    assert all(each.steps for each in progress)


async def test_odd_frames_are_skipped(sandbox: Sandbox, provider: Provider) -> None:
    """Malformed, foreign, binary and oversized frames do not stop the task."""
    odd = "not_json|array|unknown_type|huge|half_emoji|binary|agent|realtime|foreign"
    sandbox.next_run(await_subscriber=True, odd_frames=odd, ack=True)
    task = await provider.run(IMAGE)

    signals = await told(provider, task)

    end = signals[-1]
    assert isinstance(end, EndSeen)
    assert end.outputs
    logged = [signal.text for signal in signals if isinstance(signal, LogSeen)]
    assert "half an emoji: \ufffd" in logged
    assert any(len(text) == 8 * 2**20 for text in logged)


async def test_frames_without_an_id_belong_to_the_task(sandbox: Sandbox, provider: Provider) -> None:
    """A connection serves one task."""
    sandbox.next_run(await_subscriber=True, tasktoken_missing=True, message_json_string=True)
    task = await provider.run(IMAGE)

    signals = await told(provider, task)

    assert StageSeen(stage=Stage.QUEUE) in signals
    assert any(isinstance(signal, ProgressSeen) for signal in signals)


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1011])
async def test_an_early_close_ends_the_stream_and_a_second_one_goes_on(
    sandbox: Sandbox, provider: Provider, code: int
) -> None:
    """For any close code, the iterator ends without an error, and a new stream yields later frames."""
    sandbox.next_run(await_subscriber=True, early_close=f"task_start:{code}", hold_at="task_start")
    task = await provider.run(IMAGE)
    assert task.upstream_id is not None

    async with provider.follow(task) as frames:
        first = [frame async for frame in frames]
    rest: list[Signal] = []
    async with provider.follow(task) as frames:
        while not sandbox.subscribers(task.upstream_id):  # noqa: ASYNC110  there is no event for a second arrival
            await asyncio.sleep(0)
        sandbox.release(task.upstream_id)
        async for frame in frames:
            rest.append(frame)
            if isinstance(frame, EndSeen):
                break

    assert not any(isinstance(signal, EndSeen) for signal in first)
    assert isinstance(rest[-1], EndSeen)


async def test_a_record_is_parsed_in_every_variant(sandbox: Sandbox, provider: Provider) -> None:
    """Aliases, JSON in strings, dates, gaps in the outputs, and an empty list at first."""
    sandbox.next_run(
        await_subscriber=True,
        aliases=True,
        outputs="holes",
        timestamps="date",
        parameters_json=True,
        pexit_missing=True,
        detail_empty_polls=1,
        run_envelope="data",
        run_taskid="number",
    )
    task = await provider.run(IMAGE)
    await told(provider, task)

    first, second = await provider.read_record(task), await provider.read_record(task)

    assert first is None
    assert second is not None
    assert (second.phase, second.exit_code, second.upstream_id) == ("finished", None, task.upstream_id)
    assert [type(output) for output in second.outputs] == [Output]
    assert set(second.stages) == set(Stage)


async def test_a_failed_run_shows_its_exit_code_and_its_stderr(sandbox: Sandbox, provider: Provider) -> None:
    """The provider does not decide the verdict, but returns all evidence for it."""
    sandbox.next_run(await_subscriber=True, exit=1)
    task = await provider.run(IMAGE)
    await told(provider, task)

    record = await provider.read_record(task)

    assert record is not None
    assert (record.phase, record.exit_code, record.outputs) == ("finished", 1, ())
    assert "CUDA out of memory" in record.stderr


@pytest.mark.parametrize("cancel_by", ["taskid", "tasktoken", "both"])
async def test_a_waiting_task_is_canceled(sandbox: Sandbox, provider: Provider, cancel_by: str) -> None:
    """With either parameter name, and even if the task is believed to be running."""
    for started in (False, True):
        sandbox.next_run(hold_at="task_queue", await_subscriber=True, cancel_by=cancel_by)
        task = await provider.run(IMAGE)
        await provider.stop(task, started=started)

        record = await provider.read_record(task)
        assert record is not None
        assert record.phase == "canceled"
        assert record.cancel_at is not None
        assert record.cancel_at == record.ended_at


async def test_a_running_task_is_killed(sandbox: Sandbox, provider: Provider) -> None:
    """Even if the task is believed to be queued; the socket reports it too."""
    for started in (True, False):
        sandbox.next_run(hold_at="task_start", await_subscriber=True)
        task = await provider.run(IMAGE)
        async with provider.follow(task) as frames:
            async for frame in frames:
                if frame == StageSeen(stage=Stage.START):
                    await provider.stop(task, started=started)
                if isinstance(frame, EndSeen):
                    assert frame.how == "canceled"
                    break


async def test_an_ended_task_cannot_be_stopped(sandbox: Sandbox, provider: Provider) -> None:
    """The error contains both of Wiro's reasons."""
    sandbox.next_run(await_subscriber=True)
    task = await provider.run(IMAGE)
    await told(provider, task)

    with pytest.raises(UpstreamRejected, match=r"cancellable.*could not be killed"):
        await provider.stop(task, started=False)


async def test_an_account_at_its_limit_is_a_rate_limit_with_code_96(stack: AsyncExitStack) -> None:
    """So the relay can queue the task until there is capacity."""
    sandbox = await stack.enter_async_context(Sandbox(speed=1000.0, concurrency=1))
    provider = connected(sandbox, stack, sandbox.api_secret)
    sandbox.next_run(hold_at="task_queue")
    await provider.run(IMAGE)

    with pytest.raises(UpstreamRejected) as caught:
        await provider.run(IMAGE)

    assert caught.value.code is Code.RATE_LIMITED
    assert caught.value.fault is not None
    assert caught.value.fault.code == 96


async def test_invalid_inputs_name_their_field(provider: Provider) -> None:
    """A missing prompt, an invalid number, a model that does not exist."""
    runs = {
        "input.prompt": Run(model=IMAGE.model, input={}),
        "input.maxImages": Run(model=IMAGE.model, input={"prompt": "x", "maxImages": "many"}),
        "model": Run(model="nobody/nothing", input={"prompt": "x"}),
    }
    for field, run in runs.items():
        with pytest.raises(UpstreamRejected) as caught:
            await provider.run(run)
        assert [wrong.field for wrong in caught.value.fields] == [field]


@pytest.mark.parametrize(
    ("run_http", "words"),
    [
        ("502:html", "HTTP 502 with text/html"),
        ("200:truncated", "truncated or invalid"),
        ("200:empty", "empty body"),
        ("drop", "broke before"),
        ("drop_before", "broke before"),
    ],
)
async def test_a_run_without_a_valid_response_is_unclear_and_sent_once(
    sandbox: Sandbox, stack: AsyncExitStack, run_http: str, words: str
) -> None:
    """Some of these started a task and some did not, which the client cannot distinguish."""
    provider = connected(sandbox, stack, sandbox.api_secret)
    sandbox.next_run(run_http=run_http, await_subscriber=True)

    with pytest.raises(UpstreamUnclear, match=words):
        await provider.run(IMAGE)

    assert len(tuple(sandbox.runs)) == 1


async def test_a_run_without_any_response_is_unclear_and_sent_once(
    sandbox: Sandbox, provider: Provider, leap: Leap
) -> None:
    """The time limit begins again with each part that is sent; the platform has everything, and is silent."""
    sandbox.next_run(run_http="hang", await_subscriber=True)
    running = asyncio.create_task(provider.run(IMAGE))
    while not tuple(sandbox.runs):  # noqa: ASYNC110 -- no event for it
        await asyncio.sleep(0.01)
    leap(30.0)

    with pytest.raises(UpstreamUnclear, match=r"did not answer within 30 s"):
        await running

    assert len(tuple(sandbox.runs)) == 1


async def test_the_callback_url_is_sent(sandbox: Sandbox, provider: Provider) -> None:
    """The callback URL is sent next to the model's inputs."""
    sandbox.next_run(await_subscriber=True)
    await provider.run(Run(model=IMAGE.model, input=IMAGE.input, callback_url="http://127.0.0.1:1/hook"))

    (request,) = sandbox.runs
    assert {field.name: field.value for field in request.fields} == {
        "prompt": "a lake at dawn",
        "callbackUrl": "http://127.0.0.1:1/hook",
    }


async def test_the_check_names_the_invalid_setting(sandbox: Sandbox, stack: AsyncExitStack) -> None:
    """Good credentials pass; a wrong key, no secret and a wrong secret each name their setting."""
    await connected(sandbox, stack, sandbox.api_secret).check()

    for provider, words in (
        (connected(sandbox, stack, sandbox.api_secret, api_key="nobody"), "check WIRO_API_KEY"),
        (connected(sandbox, stack, None), "set WIRO_API_SECRET"),
        (connected(sandbox, stack, "wrong"), "WIRO_API_SECRET belongs to WIRO_API_KEY"),
    ):
        with pytest.raises(UpstreamRejected, match=words):
            await provider.check()
    assert not tuple(sandbox.runs)


async def test_a_project_without_a_secret_uses_its_key_alone(stack: AsyncExitStack) -> None:
    """This is the other of Wiro's two authentication methods."""
    sandbox = await stack.enter_async_context(Sandbox(speed=1000.0, accounts={"k3y": None}))
    provider = connected(sandbox, stack, None)

    await provider.check()
    assert (await provider.run(IMAGE)).upstream_id is not None


async def test_a_lost_run_is_found_behind_sixty_newer_tasks(sandbox: Sandbox, provider: Provider) -> None:
    """The list is read page by page, back to the run."""
    sent_at = time.time()
    lost = Run(model=IMAGE.model, input={"prompt": "the lost one"})
    known = await provider.run(lost)
    for number in range(60):
        await provider.run(Run(model=IMAGE.model, input={"prompt": f"another {number}"}))
    found = await provider.find(lost, since=sent_at, until=time.time())
    assert found.likely == (known,)


async def test_the_files_of_a_task_that_has_ended_are_deleted(sandbox: Sandbox, provider: Provider) -> None:
    """Repeated, the call has no effect; nor for a task that Wiro does not have. A task that runs is refused."""
    sandbox.next_run(hold_at="task_start")
    task = await provider.run(IMAGE)
    with pytest.raises(UpstreamRejected, match="must be completed or cancelled"):
        await provider.delete(task)
    known = sandbox.tasks[task.upstream_id or ""]
    await known.until(lambda each: each.holding_at)
    sandbox.release(known.id)
    await known.until(lambda each: each.verdict)
    for _ in range(2):
        await provider.delete(task)
    assert known.record.files_deleted
    await provider.delete(UpstreamTask(upstream_id="1", socket_token="unknown"))
    with pytest.raises(UpstreamRejected, match="by its token"):
        await provider.delete(UpstreamTask(upstream_id=known.id, socket_token=None))
