"""
The task socket: its frames in each dialect, and its switches.

`frames` is tested here too.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import orjson
import pytest
from aiohttp import WSMsgType

from relay.sandbox import PLAIN_KEY, Faults, Sandbox
from tests.sandbox.calls import CHAT, IMAGE, run

Frame = dict[str, object]
Follow = Callable[..., Awaitable[list[Frame]]]


@asynccontextmanager
async def subscribed(
    sandbox: Sandbox, http: aiohttp.ClientSession, *tokens: str
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with http.ws_connect(sandbox.socket_url, max_msg_size=0) as socket:
        for token in tokens:
            await socket.send_json({"type": "task_info", "tasktoken": token})
        yield socket


async def messages(socket: aiohttp.ClientWebSocketResponse, last: str = "task_postprocess_end") -> list[str | bytes]:
    """Return all messages up to a frame of a type, or until the socket closes."""
    received: list[str | bytes] = []
    while (message := await socket.receive()).type in (WSMsgType.TEXT, WSMsgType.BINARY):
        received.append(message.data)
        if isinstance(message.data, str) and f'"type":"{last}"' in message.data:
            break
    return received


@pytest.fixture
def follow(sandbox: Sandbox, http: aiohttp.ClientSession) -> Follow:
    """Return a function that runs a task and returns all its frames."""

    async def follow(switches: str = "", model: str = IMAGE) -> list[Frame]:
        _, token = await run(sandbox, http, f"await_subscriber, {switches}", model)
        async with subscribed(sandbox, http, token) as socket:
            return [orjson.loads(text) for text in (await messages(socket))[1:]]

    return follow


def types(frames: list[Frame]) -> list[object]:
    kept = [frame["type"] for frame in frames if frame["type"] not in ("task_error", "task_error_full")]
    return [kind for place, kind in enumerate(kept) if kind != "task_output" or kept[place - 1] != kind]


async def test_a_gen_1_task_sends_all_stages(follow: Follow) -> None:
    """Every frame has id, token, message and result; outputs come last."""
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


def bodies(frames: list[Frame], key: str) -> list[Frame]:
    """Return the object messages that have a key."""
    return [message for frame in frames if isinstance(message := frame.get("message"), dict) and key in message]


async def test_progress_values_are_text(follow: Follow) -> None:
    """Some progress objects are JSON strings."""
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


async def test_gen_2_identifies_tasks_by_id_and_has_a_verdict(follow: Follow) -> None:
    """No token, an empty full log, and `success` on the terminal frame."""
    frames = await follow("dialect=gen2")
    ended = {key: frames[-1][key] for key in ("success", "terminal", "exitCode")}
    failed = (await follow("dialect=gen2, exit=1"))[-1]

    assert not [frame for frame in frames if "tasktoken" in frame]
    assert [frame["message"] for frame in frames if frame["type"] == "task_output_full"] == [""]
    assert ended == {"success": True, "terminal": True, "exitCode": 0}
    assert (frames[0]["success"], frames[0]["terminal"]) == (None, False)
    assert (failed["success"], failed["exitCode"], failed["message"]) == (False, 1, [])


async def test_gen_0_identifies_tasks_by_token(follow: Follow) -> None:
    """Frames have no id, no result and no null message; stages are in the old order."""
    frames = await follow("dialect=gen0")

    assert set(frames[0]) == {"type", "tasktoken"}
    assert types(frames)[2:5] == ["task_assign", "task_preprocess_start", "task_preprocess_end"]


async def test_a_gen_1_answer_has_cumulative_lists(follow: Follow) -> None:
    """Thinking comes first, then the answer; `raw` in a stream is the answer only."""
    frames = await follow(model=CHAT)
    answers = bodies(frames, "isThinking")
    (full,) = bodies([frame for frame in frames if frame["type"] == "task_output_full"], "raw")

    assert (answers[0]["isThinking"], answers[-1]["isThinking"]) == (True, False)
    assert answers[-1]["raw"] == "".join(answers[-1]["answer"])  # type: ignore[arg-type]
    assert str(full["raw"]).startswith("<think>")
    assert answers[-1]["speedType"] == "words/s"


async def test_a_gen_2_answer_has_cumulative_segments(follow: Follow) -> None:
    """The last state has the finish reason and the usage."""
    answers = bodies(await follow("dialect=gen2, finish_reason=length", CHAT), "segments")
    segments = answers[-1]["segments"]

    assert isinstance(segments, list)
    assert [part["type"] for part in segments] == ["thinking", "answer"]
    assert [body.get("finishreason") for body in answers] == [None] * (len(answers) - 1) + ["length"]
    assert isinstance(answers[-1]["usage"], dict)


async def test_a_late_subscriber_receives_only_later_frames(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Nothing is replayed."""
    task_id, token = await run(sandbox, http, "hold_at=task_end")
    await sandbox.until(task_id, lambda task: task.holding_at)
    async with subscribed(sandbox, http, token) as socket:
        await sandbox.subscribed(task_id)
        sandbox.release(task_id)
        frames = [orjson.loads(text) for text in (await messages(socket))[1:]]

    assert [frame["type"] for frame in frames] == ["task_postprocess_start", "task_postprocess_end"]


async def test_one_connection_can_subscribe_to_several_tasks(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Subscribing again does not send frames twice."""
    first, one = await run(sandbox, http, "await_subscriber, hold_at=task_queue")
    second, two = await run(sandbox, http, "await_subscriber")
    async with subscribed(sandbox, http, one, one, two) as socket:
        before = [orjson.loads(text) for text in await messages(socket)]
        sandbox.release(first)
        after = [orjson.loads(text) for text in await messages(socket)]

    queued = [frame["id"] for frame in before if frame["type"] == "task_queue"]
    assert queued == [first, second]
    assert {frame["id"] for frame in after} == {first}


async def test_unknown_messages_and_tokens_are_ignored(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """There is no response, and the connection stays open."""
    task_id, token = await run(sandbox, http, "await_subscriber, hold_at=task_queue")
    async with subscribed(sandbox, http, "noSuchToken") as socket:
        await socket.send_str("no json")
        await socket.send_bytes(b"audio")
        await socket.send_json({"type": "agent_info"})
        await socket.send_json({"type": "task_info", "tasktoken": token})
        welcome, first = await socket.receive_json(), await socket.receive_json()

    assert welcome == {"type": "connected", "version": "1.0"}
    assert (first["type"], first["id"]) == ("task_queue", task_id)


async def test_switches_change_the_responses_to_subscriptions(http: aiohttp.ClientSession) -> None:
    """No welcome, close code 1008 for unknown tokens, and one acknowledgment per token."""
    faults = Faults(welcome=False, unknown_subscription="close", ack=True)
    async with Sandbox(faults=faults) as sandbox:
        async with subscribed(sandbox, http, "noSuchToken") as socket:
            assert (await socket.receive()).type is WSMsgType.CLOSE
            assert socket.close_code == 1008
        _, token = await run(sandbox, http, "hold_at=task_queue")
        async with subscribed(sandbox, http, token) as socket:
            await socket.send_json({"type": "task_info", "tasktoken": token})
            await socket.send_json({"type": "task_info"})
            acknowledged = [(await socket.receive_json())["type"] for _ in range(2)]

    assert acknowledged == ["task_subscribed", "error"]


async def test_frames_can_lack_ids_and_result(follow: Follow) -> None:
    """Only the connection identifies the task."""
    frames = await follow("tasktoken_missing, result_missing, null_message=empty")

    assert set().union(*frames) == {"type", "message"}
    assert frames[0]["message"] == ""


async def test_objects_can_be_json_strings(follow: Follow) -> None:
    """No object message is sent as an object."""
    assert not bodies(await follow("message_json_string"), "type")


async def test_the_verdict_can_be_on_the_terminal_frame_only(follow: Follow) -> None:
    """The table and the samples of gen-2 disagree."""
    frames = await follow("dialect=gen2, verdict_fields=terminal")

    assert [frame["type"] for frame in frames if "terminal" in frame] == ["task_postprocess_end"]
    assert not [frame for frame in await follow("dialect=gen2, verdict_fields=none") if "terminal" in frame]


@pytest.mark.parametrize("code", [1000, 1006, 1011])
async def test_the_socket_can_close_early(sandbox: Sandbox, http: aiohttp.ClientSession, code: int) -> None:
    """The task continues; 1006 is a connection without a closing handshake."""
    task_id, token = await run(sandbox, http, f"await_subscriber, early_close=task_start:{code}")
    async with subscribed(sandbox, http, token) as socket:
        received = await messages(socket)
        closed_with = socket.close_code
    task = await sandbox.until(task_id, lambda task: task.verdict)

    assert closed_with == code
    assert orjson.loads(received[-1])["type"] == "task_start"
    assert task.verdict == "success"


async def test_frames_can_be_missing(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """Task/Detail has the end of a silent task and of one without a terminal frame."""
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


async def test_the_terminal_frame_can_precede_the_record(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """The record has the end only after a delay."""
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
async def test_an_odd_frame_is_sent_once(
    sandbox: Sandbox, http: aiohttp.ClientSession, kind: str, mark: str | bytes
) -> None:
    """The task continues to its end."""
    task_id, token = await run(sandbox, http, f"await_subscriber, odd_frames={kind}")
    async with subscribed(sandbox, http, token) as socket:
        received = await messages(socket, last=f'task_postprocess_end","id":"{task_id}')

    odd = [frame for frame in received if type(frame) is type(mark) and mark in frame]  # type: ignore[operator]
    kept = [frame for frame in odd if kind != "not_json" or str(frame).endswith('"message":')]
    assert len(kept) == 1
    assert isinstance(received[-1], str)
    assert orjson.loads(received[-1])["message"]


async def test_a_frame_can_be_huge(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """The default is 8 MiB of text."""
    _, token = await run(sandbox, http, "await_subscriber, odd_frames=huge")
    async with subscribed(sandbox, http, token) as socket:
        received = await messages(socket)

    assert max(map(len, received)) > 8 * 1024 * 1024


async def test_canceling_sends_a_frame(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    """`task_cancel` is the last frame."""
    task_id, token = await run(sandbox, http, "await_subscriber, hold_at=task_queue")
    async with subscribed(sandbox, http, token) as socket:
        await messages(socket, last="task_queue")
        async with http.post(f"{sandbox.api_url}/Task/Cancel", json={"taskid": task_id}) as response:
            assert (await response.json())["tasklist"][0]["status"] == "task_cancel"
        assert (await socket.receive_json())["type"] == "task_cancel"


async def test_the_server_sends_pings(http: aiohttp.ClientSession) -> None:
    """After `heartbeat_s` seconds."""
    async with (
        Sandbox(heartbeat_s=0.05) as sandbox,
        http.ws_connect(sandbox.socket_url, autoping=False) as socket,
    ):
        await socket.receive()
        assert (await socket.receive()).type is WSMsgType.PING


async def test_closing_the_sandbox_closes_sockets(http: aiohttp.ClientSession) -> None:
    """The close code is 1001."""
    async with Sandbox() as sandbox:
        socket = await http.ws_connect(sandbox.socket_url)
        await socket.receive()
        closing = asyncio.create_task(socket.receive())

    assert (await closing).data == 1001


async def test_sockets_are_cut_at_random() -> None:
    """The task continues, and a client that subscribes again receives the remaining frames."""
    faults = Faults(cut_share=0.2)
    async with (
        Sandbox(speed=100, seed=3, faults=faults) as sandbox,
        aiohttp.ClientSession(headers={"x-api-key": PLAIN_KEY}) as http,
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


async def test_an_unknown_token_can_be_answered_with_an_error(http: aiohttp.ClientSession) -> None:
    """The connection stays open."""
    async with (
        Sandbox(faults=Faults(unknown_subscription="error")) as sandbox,
        subscribed(sandbox, http, "unknown", "unknown") as socket,
    ):
        await socket.receive()  # the welcome
        errors = [await socket.receive_json() for _ in range(2)]

    assert [error["message"] for error in errors] == ["tasktoken-not-found"] * 2


@pytest.mark.parametrize("dialect", ["gen0", "gen1", "gen2"])
async def test_a_log_of_another_task_can_be_sent(follow: Follow, dialect: str) -> None:
    """It has the identifiers of its dialect."""
    frames = await follow(f"dialect={dialect}, odd_frames=foreign_log")
    (other,) = [frame for frame in frames if frame.get("message") == "a line of another task"]

    assert (other.get("id"), other.get("tasktoken")) == {
        "gen0": (None, "tokenOfAnotherTask"),
        "gen1": ("1", "tokenOfAnotherTask"),
        "gen2": ("1", None),
    }[dialect]
