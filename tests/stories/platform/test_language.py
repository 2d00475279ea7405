"""Language models: cumulative output becomes appends, which cost a viewer little."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import orjson
import pytest

from relay.core import merge
from relay.core.codec import decode_event, decode_snapshot
from relay.core.events import Append, AppendOutput, Event, Results
from relay.core.snapshot import Snapshot, apply
from relay.core.utf16 import utf16_len
from relay.sandbox import Sandbox, outputs

if TYPE_CHECKING:
    from tests.stories.platform.conftest import MakeStand, Stand, Story

CHAT = "wiro/sandbox-chat"
DIALECTS = ("gen0", "gen1", "gen2")
CHUNKS: Final = 2000
CHUNKS_PER_S: Final = 50
SPEED: Final = 20
"""How much faster than a real one the answer is played; the relay's merging is made faster by just as much."""
LONGEST_S = 60.0


def without_prompt(content: object) -> dict[str, object]:
    """Return the content of an answer without the prompt, which the platform repeats there."""
    assert isinstance(content, dict)
    assert "prompt" in content
    return {name: value for name, value in content.items() if name != "prompt"}


def appends(log: "tuple[Event, ...] | list[Event]") -> list[Append]:
    return [event.data.append for event in log if isinstance(event.data, AppendOutput)]


def check_answer(story: "Story") -> None:
    """Check that viewers saw the platform's answer, and that it is among the results."""
    assert story.truth is not None
    record = story.truth.record
    assert [(part.kind, part.text) for part in story.end.segments] == [
        (part.type, part.text) for part in record.segments
    ]
    (results,) = [event.data for event in story.log if isinstance(event.data, Results)]
    streamed = outputs(story.truth.identity, record, streamed=True)
    assert [output.content_type for output in results.outputs] == ["raw"]
    assert [output.content for output in results.outputs] == [without_prompt(streamed[0]["content"])]


@pytest.fixture
def each_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Merge no chunks."""
    monkeypatch.setattr(merge, "MERGE_S", 0.0)


@pytest.mark.usefixtures("each_chunk")
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_an_append_begins_where_its_segment_ended(stand: "Stand", dialect: str) -> None:
    """Positions are UTF-16 units, so that emoji neither repeat nor drop text."""
    story = await stand.story(model=CHAT, dialect=dialect, answer_chunks=200, stderr_lines=0)

    check_answer(story)
    said: dict[int, str] = {}
    for append in appends(story.log):
        assert append.offset == utf16_len(said.get(append.segment, ""))
        said[append.segment] = said.get(append.segment, "") + append.text
    assert [*said.values()] == [part.text for part in story.end.segments]
    assert not said[1].isascii()
    assert utf16_len(said[1]) > len(said[1])
    assert len(appends(story.log)) == 201  # one chunk holds the last of the thoughts and the first of the answer


@pytest.mark.usefixtures("each_chunk")
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_text_that_the_model_replaces_is_corrected(stand: "Stand", dialect: str) -> None:
    """One append begins before the end, where the new text differs from the old."""
    story = await stand.story(model=CHAT, dialect=dialect, answer_chunks=200, answer_slip=True, stderr_lines=0)

    check_answer(story)
    said: dict[int, int] = {}
    back = []
    for append in appends(story.log):
        if append.offset != said.get(append.segment, 0):
            back.append(said[append.segment] - append.offset)
        said[append.segment] = append.offset + utf16_len(append.text)
    assert back == [utf16_len(" 🙈, or rather:")]


async def from_the_record(stand: "Stand", **switches: Any) -> "Story":
    """Run a task whose socket is silent, and return its story from one read of the record after its end."""
    ward = await stand.begin(model=CHAT, silent=True, **switches)
    stand.sandbox.release(ward.truth.id)
    async with asyncio.timeout(LONGEST_S):
        await ward.truth.until(lambda task: task.verdict)
    await stand.look_now(ward.id)
    return await stand.ended(ward)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_the_answer_is_among_the_results_even_without_frames(stand: "Stand", dialect: str) -> None:
    """With a silent socket, the record has it, including the raw text that the socket leaves out."""
    story = await from_the_record(stand, dialect=dialect)

    assert story.truth is not None
    recorded = outputs(story.truth.identity, story.truth.record)
    assert [output.content for output in story.end.outputs] == [without_prompt(recorded[0]["content"])]


@pytest.mark.parametrize("silent", [False, True], ids=["socket", "record"])
@pytest.mark.parametrize(
    ("reason", "warnings"),
    [
        ("stop", ()),
        ("tool_calls", ()),
        ("length", ("The answer was cut off at its length limit.",)),
        ("content_filter", ("A content filter cut the answer off.",)),
        ("error", ("The model reported an error while it answered.",)),
    ],
)
async def test_an_answer_that_was_cut_off_is_a_success_with_a_warning(
    stand: "Stand", reason: str, warnings: tuple[str, ...], silent: bool
) -> None:
    """The exit code is 0; `done` has the reason, whichever source it came from."""
    if silent:
        story = await from_the_record(stand, dialect="gen2", finish_reason=reason)
    else:
        story = await stand.story(model=CHAT, dialect="gen2", finish_reason=reason)

    done = story.end.done
    assert done is not None
    assert (done.verdict, done.exit_code, done.warnings) == ("succeeded", 0, warnings)


# What it costs


@dataclass(slots=True)
class Meter:
    """Counts bytes."""

    total: int = 0


@asynccontextmanager
async def metered(url: str, meter: Meter) -> AsyncIterator[str]:
    """Run a proxy in front of an address, and count the bytes that it sends."""
    there = urlsplit(url)
    ends: set[asyncio.StreamWriter] = set()

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, count: Meter) -> None:
        try:
            while piece := await source.read(65536):
                count.total += len(piece)
                sink.write(piece)
                await sink.drain()
        except ConnectionError:
            pass
        finally:
            sink.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, sending = await asyncio.open_connection(there.hostname, there.port)
        ends.update((writer, sending))
        await asyncio.gather(pump(reader, sending, Meter()), pump(upstream, writer, meter))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}{there.path}"
    finally:
        for end in ends:
            end.close()
        server.close()
        await server.wait_closed()


@dataclass(frozen=True, slots=True)
class Message:
    """A message and the size of its frame in bytes."""

    body: dict[str, Any]
    frame_bytes: int


async def raw_viewer(url: str, path: str, opened: asyncio.Event) -> list[Message]:
    """Watch a task on a raw socket until the relay closes it."""
    at = urlsplit(url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    head = (
        f"GET {path} HTTP/1.1\r\nHost: {at.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    writer.write(head.encode())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
    messages = []
    while True:
        begin = await reader.readexactly(2)
        length_bytes = {126: 2, 127: 8}.get(begin[1], 0)
        length = await reader.readexactly(length_bytes)
        body = await reader.readexactly(int.from_bytes(length, "big") if length else begin[1])
        if begin[0] & 0x0F == 8:
            break
        messages.append(Message(orjson.loads(body), len(begin) + len(length) + len(body)))
        opened.set()
    writer.write(b"\x88\x82\0\0\0\0" + body[:2])  # its own code back, masked with zeros
    await writer.drain()
    writer.close()
    return messages


def folded(messages: list[Message]) -> Snapshot:
    """Return the state that messages lead to."""
    state = decode_snapshot(orjson.dumps(messages[0].body["task"]))
    for message in messages[1:]:
        if message.body["type"] != "ping":
            state = apply(state, decode_event(orjson.dumps(message.body)))
    return state


@pytest.mark.parametrize("dialect", ["gen1", "gen2"])
async def test_a_long_answer_costs_a_viewer_a_hundredth_of_the_platforms_traffic(
    standing: "MakeStand", monkeypatch: pytest.MonkeyPatch, dialect: str
) -> None:
    """
    All that a viewer gets of 2000 chunks, results included, beside all that the upstream sent on its socket.

    A machine that is slow merges more than it should. So it is reckoned, too, what it would have been with an append
    in each of the real 100 ms.
    """
    most_appends = CHUNKS / CHUNKS_PER_S / merge.MERGE_S
    monkeypatch.setattr(merge, "MERGE_S", merge.MERGE_S / SPEED)
    sent, opened = Meter(), asyncio.Event()
    async with (
        asyncio.timeout(LONGEST_S),
        Sandbox(speed=SPEED) as sandbox,
        metered(sandbox.socket_url, sent) as socket_url,
        standing(sandbox, wiro_socket_url=socket_url) as stand,
    ):
        _, made = await stand.post(
            model=CHAT,
            dialect=dialect,
            answer_chunks=CHUNKS,
            answer_chunks_per_s=CHUNKS_PER_S,
            hold_at="task_queue",
            await_subscriber=True,
        )
        truth = sandbox.tasks[made["task"]["upstream_id"]]
        path = f"/v1/tasks/{made['task']['id']}/ws?token={made['token']}"
        viewing = asyncio.create_task(raw_viewer(stand.relay.url, path, opened))
        await opened.wait()
        await stand.release_at(truth, "task_queue")
        messages = await viewing

    state, record = folded(messages), truth.record
    assert [(part.kind, part.text) for part in state.segments] == [(part.type, part.text) for part in record.segments]
    assert sum(len(part.text) for part in state.segments) == CHUNKS * 6

    got = sum(message.frame_bytes for message in messages)
    round_text = [
        message.frame_bytes - len(message.body["data"]["append"]["text"].encode())
        for message in messages
        if "append" in message.body.get("data", {})
    ]
    assert len(round_text) > 10  # it was a stream, not a lump at the end
    assert got <= sent.total / 100
    assert got + (most_appends - len(round_text)) * max(round_text) <= sent.total / 100
