"""The task socket over real sockets: what it sends in each dialect, and what its switches do."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import orjson
import pytest
from aiohttp import WSMsgType

from relay.sandbox import Faults, Sandbox

IMAGE = "bytedance/text-to-image-seedream-v4"
CHAT = "wiro/sandbox-chat"
Frame = dict[str, object]
Followed = tuple[list[Frame], int | None]
Follow = Callable[..., Awaitable[list[Frame]]]


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(speed=1000, seed=3, accounts={"a-key": None}) as sandbox:
        yield sandbox


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers={"x-api-key": "a-key"}) as http:
        yield http


async def run(sandbox: Sandbox, http: aiohttp.ClientSession, switches: str = "", model: str = IMAGE) -> tuple[str, str]:
    body = {"prompt": f"a cat [sandbox: {switches}]"}
    async with http.post(f"{sandbox.api_url}/Run/{model}", json=body) as answer:
        started = await answer.json()
    return started["taskid"], started["socketaccesstoken"]


@asynccontextmanager
async def subscribed(
    sandbox: Sandbox, http: aiohttp.ClientSession, *tokens: str
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with http.ws_connect(sandbox.socket_url, max_msg_size=0) as socket:
        for token in tokens:
            await socket.send_json({"type": "task_info", "tasktoken": token})
        yield socket


async def messages(socket: aiohttp.ClientWebSocketResponse, last: str = "task_postprocess_end") -> list[str | bytes]:
    """Read up to the terminal frame, or until the socket closes."""
    received: list[str | bytes] = []
    while (message := await socket.receive()).type in (WSMsgType.TEXT, WSMsgType.BINARY):
        received.append(message.data)
        if isinstance(message.data, str) and f'"type":"{last}"' in message.data:
            break
    return received


@pytest.fixture
def follow(sandbox: Sandbox, http: aiohttp.ClientSession) -> Follow:
    """Run a task and return all its frames; it begins when we have subscribed."""

    async def follow(switches: str = "", model: str = IMAGE) -> list[Frame]:
        _, token = await run(sandbox, http, f"await_subscriber, {switches}", model)
        async with subscribed(sandbox, http, token) as socket:
            return [orjson.loads(text) for text in (await messages(socket))[1:]]

    return follow


def types(frames: list[Frame]) -> list[object]:
    kept = [frame["type"] for frame in frames if frame["type"] not in ("task_error", "task_error_full")]
    return [kind for place, kind in enumerate(kept) if kind != "task_output" or kept[place - 1] != kind]


def bodies(frames: list[Frame], key: str) -> list[Frame]:
    """Return the object messages that have a key."""
    return [message for frame in frames if isinstance(message := frame.get("message"), dict) and key in message]


async def test_a_gen_1_task_tells_its_whole_course(follow: Follow) -> None:
    """Every frame has id, token, message and result; stages come in order, and outputs come last."""
    frames = await follow()

    assert types(frames) == [
        "task_queue",
        "task_accept",
        "task_preprocess_start",
        "task_preprocess_end",
        "task_assign",
        "task_start",
        "task_output",
        "task_output_full",
        "task_end",
        "task_postprocess_start",
        "task_postprocess_end",
    ]
    assert {tuple(frame) for frame in frames} == {("type", "id", "tasktoken", "message", "result")}
    assert frames[0]["message"] is None
    outputs = frames[-1]["message"]
    assert isinstance(outputs, list)
    assert outputs[0]["contenttype"] == "image/png"


async def test_progress_is_all_text_and_sometimes_json_in_a_string(follow: Follow) -> None:
    """No number is a number."""
    frames = await follow()
    progress = bodies(frames, "percentage")
    strings = [frame["message"] for frame in frames if str(frame["message"]).startswith('{"type":"progressGenerate"')]

    assert set(progress[0]) == {
        "type",
        "task",
        "percentage",
        "stepCurrent",
        "stepTotal",
        "speed",
        "speedType",
        "elapsedTime",
        "remainingTime",
    }
    assert all(isinstance(value, str) for body in progress for value in body.values())
    assert strings


async def test_gen_2_names_tasks_by_id_and_gives_a_verdict(follow: Follow) -> None:
    """No token, a quiet full log, and success on the terminal frame."""
    frames = await follow("dialect=gen2")
    ended = {key: frames[-1][key] for key in ("success", "terminal", "exitCode")}
    failed = (await follow("dialect=gen2, exit=1"))[-1]

    assert not [frame for frame in frames if "tasktoken" in frame]
    assert [frame["message"] for frame in frames if frame["type"] == "task_output_full"] == [""]
    assert ended == {"success": True, "terminal": True, "exitCode": 0}
    assert (frames[0]["success"], frames[0]["terminal"]) == (None, False)
    assert (failed["success"], failed["exitCode"], failed["message"]) == (False, 1, [])


async def test_gen_0_knows_only_tokens_and_leaves_messages_out(follow: Follow) -> None:
    """Neither id nor result, and the old order."""
    frames = await follow("dialect=gen0")

    assert set(frames[0]) == {"type", "tasktoken"}
    assert types(frames)[2:5] == ["task_assign", "task_preprocess_start", "task_preprocess_end"]


async def test_a_gen_1_answer_is_cumulative_lists(follow: Follow) -> None:
    """Thinking comes first, then the answer; the raw text of the stream is the answer alone."""
    frames = await follow(model=CHAT)
    answers = bodies(frames, "isThinking")
    (full,) = bodies([frame for frame in frames if frame["type"] == "task_output_full"], "raw")

    assert (answers[0]["isThinking"], answers[-1]["isThinking"]) == (True, False)
    assert answers[-1]["raw"] == "".join(answers[-1]["answer"])  # type: ignore[arg-type]
    assert str(full["raw"]).startswith("<think>")
    assert answers[-1]["speedType"] == "words/s"


async def test_a_gen_2_answer_is_segments_that_replace(follow: Follow) -> None:
    """The last state says why it ended and what it used."""
    answers = bodies(await follow("dialect=gen2, finish_reason=length", CHAT), "segments")
    segments = answers[-1]["segments"]

    assert isinstance(segments, list)
    assert [part["type"] for part in segments] == ["thinking", "answer"]
    assert [body.get("finishreason") for body in answers] == [None] * (len(answers) - 1) + ["length"]
    assert isinstance(answers[-1]["usage"], dict)


async def test_a_late_subscriber_gets_only_what_is_still_to_come(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Nothing is replayed."""
    task_id, token = await run(sandbox, http, "hold_at=task_end")
    await sandbox.until(task_id, lambda task: task.holding_at)
    async with subscribed(sandbox, http, token) as socket:
        await sandbox.subscribed(task_id)
        sandbox.release(task_id)
        frames = [orjson.loads(text) for text in (await messages(socket))[1:]]

    assert [frame["type"] for frame in frames] == ["task_postprocess_start", "task_postprocess_end"]


async def test_one_connection_follows_several_tasks_and_a_second_subscription_is_nothing(
    sandbox: Sandbox, http: aiohttp.ClientSession
) -> None:
    """Frames of both come over the one socket, each once."""
    first, one = await run(sandbox, http, "await_subscriber, hold_at=task_queue")
    second, two = await run(sandbox, http, "await_subscriber")
    async with subscribed(sandbox, http, one, one, two) as socket:
        before = [orjson.loads(text) for text in await messages(socket)]
        sandbox.release(first)
        after = [orjson.loads(text) for text in await messages(socket)]

    queued = [frame["id"] for frame in before if frame["type"] == "task_queue"]
    assert queued == [first, second]
    assert {frame["id"] for frame in after} == {first}


async def test_what_is_not_understood_is_dropped(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Unknown tokens and types are met with silence, and the connection stays."""
    task_id, token = await run(sandbox, http, "await_subscriber, hold_at=task_queue")
    async with subscribed(sandbox, http, "noSuchToken") as socket:
        await socket.send_str("no json")
        await socket.send_bytes(b"audio")
        await socket.send_json({"type": "agent_info"})
        await socket.send_json({"type": "task_info", "tasktoken": token})
        welcome, first = await socket.receive_json(), await socket.receive_json()

    assert welcome == {"type": "connected", "version": "1.0"}
    assert (first["type"], first["id"]) == ("task_queue", task_id)


async def test_the_welcome_and_the_silence_are_switches(http: aiohttp.ClientSession) -> None:
    """No greeting, a goodbye to unknown tokens, and one acknowledgement for a known one however often it is sent."""
    faults = Faults(welcome=False, unknown_subscription="close", ack=True)
    async with Sandbox(accounts={"a-key": None}, faults=faults) as sandbox:
        async with subscribed(sandbox, http, "noSuchToken") as socket:
            assert (await socket.receive()).type is WSMsgType.CLOSE
            assert socket.close_code == 1008
        _, token = await run(sandbox, http, "hold_at=task_queue")
        async with subscribed(sandbox, http, token) as socket:
            await socket.send_json({"type": "task_info", "tasktoken": token})
            await socket.send_json({"type": "task_info"})
            acknowledged = [(await socket.receive_json())["type"] for _ in range(2)]

    assert acknowledged == ["task_subscribed", "error"]


async def test_frames_may_lack_their_names_and_result(follow: Follow) -> None:
    """Only the connection tells whose they are."""
    frames = await follow("tasktoken_missing, result_missing, null_message=empty")

    assert set().union(*frames) == {"type", "message"}
    assert frames[0]["message"] == ""


async def test_objects_may_come_as_strings(follow: Follow) -> None:
    """Every object message is a string of JSON."""
    assert not bodies(await follow("message_json_string"), "type")


async def test_the_verdict_may_be_on_the_terminal_frame_alone(follow: Follow) -> None:
    """The table and the samples of gen-2 disagree."""
    frames = await follow("dialect=gen2, verdict_fields=terminal")

    assert [frame["type"] for frame in frames if "terminal" in frame] == ["task_postprocess_end"]
    assert not [frame for frame in await follow("dialect=gen2, verdict_fields=none") if "terminal" in frame]


@pytest.mark.parametrize("code", [1000, 1006, 1011])
async def test_the_socket_may_close_early_and_the_task_goes_on(
    sandbox: Sandbox, http: aiohttp.ClientSession, code: int
) -> None:
    """After the stage that was named; 1006 is a connection that is simply gone."""
    task_id, token = await run(sandbox, http, f"await_subscriber, early_close=task_start:{code}")
    async with subscribed(sandbox, http, token) as socket:
        received = await messages(socket)
        closed_with = socket.close_code
    task = await sandbox.until(task_id, lambda task: task.verdict)

    assert closed_with == code
    assert orjson.loads(received[-1])["type"] == "task_start"
    assert task.verdict == "success"


async def test_a_silent_task_and_one_without_an_end_are_known_by_their_detail(
    sandbox: Sandbox, http: aiohttp.ClientSession
) -> None:
    """The frames are missing, the record is not."""
    silent, silent_token = await run(sandbox, http, "await_subscriber, silent")
    endless, endless_token = await run(sandbox, http, "await_subscriber, no_terminal")
    async with subscribed(sandbox, http, silent_token, endless_token) as socket:
        received = [orjson.loads(text) for text in (await messages(socket, last="task_postprocess_start"))[1:]]
        await sandbox.until(silent, lambda task: task.verdict)
        await sandbox.until(endless, lambda task: task.verdict)
        marker, marker_token = await run(sandbox, http, "await_subscriber")
        await socket.send_json({"type": "task_info", "tasktoken": marker_token})
        received += [orjson.loads(text) for text in await messages(socket)]

    assert silent not in {frame["id"] for frame in received}
    assert [frame["id"] for frame in received if frame["type"] == "task_postprocess_end"] == [marker]


async def test_the_end_may_be_sent_before_the_detail_knows(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """The record stays where it was for a while after the terminal frame."""
    task_id, token = await run(sandbox, http, "await_subscriber, detail_lag_s=0.2")
    async with subscribed(sandbox, http, token) as socket:
        await messages(socket)
        at_the_frame = sandbox.tasks[task_id].status
    await sandbox.until(task_id, lambda task: task.verdict)

    assert at_the_frame == "task_postprocess_start"


@pytest.mark.parametrize(
    ("kind", "mark"),
    [
        ("not_json", '"message":'),
        ("array", '["task_output"'),
        ("unknown_type", '"task_dream"'),
        ("half_emoji", "\\ud83d"),
        ("agent", '"agent_output"'),
        ("realtime", '"task_cost"'),
        ("foreign", "tokenOfAnotherTask"),
        ("binary", bytes(range(256))),
    ],
)
async def test_odd_frames_come_between_the_others(
    sandbox: Sandbox, http: aiohttp.ClientSession, kind: str, mark: str | bytes
) -> None:
    """Once, and the task goes on to its end."""
    task_id, token = await run(sandbox, http, f"await_subscriber, odd_frames={kind}")
    async with subscribed(sandbox, http, token) as socket:
        received = await messages(socket, last=f'task_postprocess_end","id":"{task_id}')

    odd = [frame for frame in received if type(frame) is type(mark) and mark in frame]  # type: ignore[operator]
    kept = [frame for frame in odd if kind != "not_json" or str(frame).endswith('"message":')]
    assert len(kept) == 1
    assert isinstance(received[-1], str)
    assert orjson.loads(received[-1])["message"]


async def test_a_frame_may_be_huge(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Eight mebibytes of text, and more where asked."""
    _, token = await run(sandbox, http, "await_subscriber, odd_frames=huge")
    async with subscribed(sandbox, http, token) as socket:
        received = await messages(socket)

    assert max(map(len, received)) > 8 * 1024 * 1024


async def test_cancelling_tells_the_subscribers(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """`task_cancel` is the last frame."""
    task_id, token = await run(sandbox, http, "await_subscriber, hold_at=task_queue")
    async with subscribed(sandbox, http, token) as socket:
        await messages(socket, last="task_queue")
        async with http.post(f"{sandbox.api_url}/Task/Cancel", json={"taskid": task_id}) as answer:
            assert (await answer.json())["tasklist"][0]["status"] == "task_cancel"
        assert (await socket.receive_json())["type"] == "task_cancel"


async def test_the_server_pings(http: aiohttp.ClientSession) -> None:
    """A ping comes without being asked for."""
    async with (
        Sandbox(accounts={"a-key": None}, heartbeat_s=0.05) as sandbox,
        http.ws_connect(sandbox.socket_url, autoping=False) as socket,
    ):
        await socket.receive()
        assert (await socket.receive()).type is WSMsgType.PING


async def test_closing_the_sandbox_says_goodbye(http: aiohttp.ClientSession) -> None:
    """Nobody is left hanging: the socket closes with 1001."""
    async with Sandbox(accounts={"a-key": None}) as sandbox:
        socket = await http.ws_connect(sandbox.socket_url)
        await socket.receive()
        closing = asyncio.create_task(socket.receive())

    assert (await closing).data == 1001


async def test_a_share_of_frames_are_the_last_before_a_cut() -> None:
    """The sockets are gone without a goodbye, the task goes on, and who comes back hears the rest."""
    faults = Faults(cut_share=0.2)
    async with (
        Sandbox(speed=100, seed=3, accounts={"a-key": None}, faults=faults) as sandbox,
        aiohttp.ClientSession(headers={"x-api-key": "a-key"}) as http,
    ):
        task_id, token = await run(sandbox, http, "await_subscriber")
        closed_with = []
        ending = asyncio.create_task(sandbox.until(task_id, lambda task: task.verdict))
        while not ending.done():
            async with subscribed(sandbox, http, token) as socket:
                reading = asyncio.create_task(messages(socket))
                # A socket that subscribes after the last frame receives nothing, and the sandbox does not cut it.
                await asyncio.wait({reading, ending}, return_when=asyncio.FIRST_COMPLETED)
                reading.cancel()
                await asyncio.wait({reading})
                closed_with.append(socket.close_code)

    assert closed_with[0] == 1006
    assert sandbox.tasks[task_id].verdict == "success"
