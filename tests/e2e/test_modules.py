"""The pure JavaScript modules, as the relay serves them, in the engine that runs them."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from relay.app import Running

pytestmark = pytest.mark.asyncio(loop_scope="session")

VECTORS = sorted((Path(__file__).parents[1] / "vectors").glob("*.json"))

FOLD = """async (vector) => {
  const { reduce } = await import("/static/src/client/reducer.js");
  function expand(value) {
    if (Array.isArray(value)) return value.map(expand);
    if (value === null || typeof value !== "object") return value;
    const parts = value.$repeat;
    if (parts) return parts.map((part, i) => (i % 2 ? "" : part.repeat(parts[i + 1]))).join("");
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, expand(inner)]));
  }
  const { events, epoch, messages, start, snapshot } = expand(vector);
  const folded = events
    ? events.reduce((state, event) => reduce(state, event, epoch), null)
    : messages.reduce((state, message) => reduce(state, message), start);
  return { folded, snapshot };
}"""

PARSE = """async (chunks) => {
  const { SseParser } = await import("/static/src/client/sse-parser.js");
  const parser = new SseParser();
  return { blocks: chunks.flatMap((chunk) => parser.feed(chunk)), retry_s: parser.retry_s };
}"""

FOLD_FROM = """async ([start, messages]) => {
  const { TaskFold } = await import("/static/src/client/task-fold.js");
  const fold = new TaskFold(null, start);
  return messages.map((message) => [fold.apply(message), fold.cursor, fold.missing]);
}"""

ROWS = """async (messages) => {
  const { BoardFold } = await import("/static/src/client/board-fold.js");
  const board = new BoardFold("shoot");
  return messages.map((message) => board.apply(message)?.seq ?? null);
}"""

EXPIRY = """async (tokens) => {
  const { expiryOf } = await import("/static/src/client/token-claims.js");
  return tokens.map(expiryOf);
}"""

RETRY_AFTER = """async ([values, now_ms]) => {
  const { retryAfter_s } = await import("/static/src/client/problem.js");
  return values.map((value) => retryAfter_s(value, now_ms));
}"""

WAITS = """async (random) => {
  const { Backoff } = await import("/static/src/client/backoff.js");
  const backoff = new Backoff(() => random);
  const waits = Array.from({ length: 8 }, () => backoff.next_s());
  backoff.reset();
  return [...waits, backoff.next_s()];
}"""

ENDINGS = """async (codes) => {
  const { socketCloseReason } = await import("/static/src/client/socket.js");
  return codes.map((code) => socketCloseReason(code, "").kind);
}"""

STREAM = (
    "\ufeffretry: 2500\n\n"
    ": a comment\n"
    "id: epoch:1\ndata: one\n\n"
    "data: two\r\ndata:lines\r\n\r\n"
    "event: named\rdata: carriage returns\r\r"
    "id: without data\n\n"
    "data\n\n"
    "unknown: field\ndata: 日本語 😀\n\n"
    "data: never finished"
)


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
async def test_the_reducer_gives_the_snapshot_of_each_vector(path: Path, relay: Running, page: Page) -> None:
    """JavaScript folds every shared vector into exactly its snapshot, as Python does."""
    await page.goto(relay.url)

    both = await page.evaluate(FOLD, read(path))

    assert both["folded"] == both["snapshot"]


async def test_the_parser_gives_the_same_however_a_stream_is_cut(relay: Running, page: Page) -> None:
    """Whole, by single characters, or cut in two at any place: the blocks are the same, and the right ones."""
    await page.goto(relay.url)

    whole = await page.evaluate(PARSE, [STREAM])

    assert whole == {
        "retry_s": 2.5,
        "blocks": [
            block("one", "epoch:1"),
            block("two\nlines", "epoch:1"),
            block("carriage returns", "epoch:1", "named"),
            block("", "without data"),
            block("日本語 😀", "without data"),
        ],
    }
    assert await page.evaluate(PARSE, list(STREAM)) == whole
    for at in range(len(STREAM)):
        assert await page.evaluate(PARSE, [STREAM[:at], STREAM[at:]]) == whole


def block(data: str, last_id: str, event: str = "") -> dict[str, Any]:
    return {"data": data, "event": event, "id": last_id}


def snapshot(task: str, seq: int, tag: str, epoch: str = "e") -> dict[str, Any]:
    state = {"id": task, "seq": seq, "epoch": epoch, "tags": [tag], "updated_at": 0, "done": None}
    return {"type": "snapshot", "task": state}


def event(task: str, seq: int) -> dict[str, Any]:
    return {"type": "stall_end", "task": task, "seq": seq, "state": "running", "at": 1, "source": "live", "data": {}}


async def test_a_fold_knows_its_place_and_says_when_it_is_lost(relay: Running, page: Page) -> None:
    """It counts down what was missed, takes nothing twice or back, and after a gap waits for the whole state."""
    await page.goto(relay.url)
    resumed = {"type": "resumed", "task": "t", "seq": 5, "events": 2}

    taken = await page.evaluate(
        FOLD_FROM, ["e:5", [resumed, event("t", 6), event("t", 6), event("t", 7), event("t", 9), event("t", 10)]]
    )

    assert taken == [
        ["applied", "e:5", 2],
        ["applied", "e:6", 1],
        ["ignored", "e:6", 1],
        ["applied", "e:7", 0],
        ["gap", None, 0],
        ["ignored", None, 0],
    ]
    assert await page.evaluate(FOLD_FROM, ["e:5", [{**resumed, "seq": 6}, snapshot("t", 3, "shoot", "f")]]) == [
        ["gap", None, 0],
        ["applied", "f:3", 0],
    ]


async def test_a_fold_takes_what_two_wires_bring(relay: Running, page: Page) -> None:
    """What one wire has brought already the other says again, or an older state: neither changes anything."""
    await page.goto(relay.url)
    resumed = {"type": "resumed", "task": "t", "seq": 4, "events": 2}

    assert await page.evaluate(FOLD_FROM, ["e:5", [resumed, event("t", 5), event("t", 6)]]) == [
        ["applied", "e:5", 1],
        ["ignored", "e:5", 1],
        ["applied", "e:6", 0],
    ]
    assert await page.evaluate(FOLD_FROM, ["e:5", [snapshot("t", 3, "shoot"), snapshot("t", 3, "shoot", "f")]]) == [
        ["ignored", "e:5", 0],
        ["applied", "f:3", 0],
    ]


async def test_a_tags_rows_only_become_newer(relay: Running, page: Page) -> None:
    """Their events skip numbers; what is older, unknown or of another tag changes nothing; a new epoch begins anew."""
    await page.goto(relay.url)

    taken = await page.evaluate(
        ROWS,
        [
            snapshot("a", 4, "shoot"),
            event("a", 9),
            event("a", 8),
            event("unknown", 2),
            snapshot("a", 7, "shoot"),
            snapshot("b", 3, "else"),
            snapshot("a", 2, "shoot", "f"),
        ],
    )

    assert taken == [4, 9, None, None, None, None, 2]


async def test_a_token_says_when_it_ends(relay: Running, page: Page) -> None:
    """An API key, and what only looks like a token, say nothing."""
    await page.goto(relay.url)
    minted, expires_at = relay.context.access.mint("t", scope="view", ttl_s=60)

    assert await page.evaluate(
        EXPIRY, [minted, relay.api_key, "a.b.c", "", "x.eyJhIjoxfQ.y", "x.eyJleHAiOiIxIn0.y"]
    ) == [
        expires_at,
        None,
        None,
        None,
        None,
        None,
    ]


async def test_retry_after_is_read_in_both_its_forms(relay: Running, page: Page) -> None:
    """Seconds, or a date; what is past, missing or neither is no wait."""
    await page.goto(relay.url)
    now_ms = 784_111_777_000  # Sun, 06 Nov 1994 08:49:37 GMT
    values = ["120", "Sun, 06 Nov 1994 08:50:07 GMT", "Sun, 06 Nov 1994 08:00:00 GMT", "soon", None]

    assert await page.evaluate(RETRY_AFTER, [values, now_ms]) == [120, 30, 0, 0, 0]


async def test_the_wait_doubles_up_to_twenty_seconds_and_all_of_it_is_jitter(relay: Running, page: Page) -> None:
    """From nothing up to the whole window; something good heard makes the window short again."""
    await page.goto(relay.url)

    assert await page.evaluate(WAITS, 1) == [0.5, 1, 2, 4, 8, 16, 20, 20, 0.5]
    assert await page.evaluate(WAITS, 0) == [0] * 9


async def test_only_codes_from_4500_on_are_final(relay: Running, page: Page) -> None:
    """Whatever else closes a socket is come back from."""
    await page.goto(relay.url)

    again = await page.evaluate(ENDINGS, [1000, 1001, 1006, 1011, 4000, 4001, 4004, 4499, 5000])
    final = await page.evaluate(ENDINGS, [4500, 4501, 4504, 4505, 4999])

    assert set(again) == {"retry"}
    assert set(final) == {"refused"}
