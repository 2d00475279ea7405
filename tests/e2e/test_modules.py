"""The client's pure JavaScript modules, as the relay serves them, in a browser."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from relay.app import Running
from relay.hub.tag_channel import LISTED
from tests.e2e.follow import BLANK

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

KNOWN = """async (tasks) => {
  const { BoardFold } = await import("/static/src/client/board-fold.js");
  const board = new BoardFold(null);
  for (const task of tasks) board.apply({ type: "snapshot", task });
  return board.known;
}"""

EXPIRY = """async (tokens) => {
  const { expiryOf } = await import("/static/src/client/token-claims.js");
  return tokens.map(expiryOf);
}"""

RETRY_AFTER = """async ([values, now_ms]) => {
  const { retryAfter_s } = await import("/static/src/client/problem.js");
  return values.map((value) => retryAfter_s(value, now_ms));
}"""

WAITS = """async ([random, isVisible]) => {
  const { Backoff } = await import("/static/src/client/backoff.js");
  const backoff = new Backoff({ random: () => random, isVisible: () => isVisible });
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


@pytest.fixture
def page(shared_page: Page) -> Page:
    """Use one tab for all tests: each of them loads its relay's page in it, and calls functions."""
    return shared_page


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
async def test_the_reducer_gives_the_snapshot_of_each_vector(path: Path, relay: Running, page: Page) -> None:
    """Python's reducer is tested with the same vectors."""
    await page.goto(relay.url + BLANK)

    both = await page.evaluate(FOLD, read(path))

    assert both["folded"] == both["snapshot"]


async def test_the_sse_parser_accepts_any_chunking(relay: Running, page: Page) -> None:
    """A stream parses the same whole, by single characters, or split in two anywhere."""
    await page.goto(relay.url + BLANK)

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


async def test_a_fold_tracks_its_cursor_and_detects_gaps(relay: Running, page: Page) -> None:
    """It counts missed events down, ignores repeated or older ones, and after a gap waits for a snapshot."""
    await page.goto(relay.url + BLANK)
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


async def test_a_fold_ignores_messages_that_a_second_connection_repeats(relay: Running, page: Page) -> None:
    """Neither a repeated event nor an older snapshot changes anything."""
    await page.goto(relay.url + BLANK)
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


async def test_the_rows_of_a_tag_ignore_older_events(relay: Running, page: Page) -> None:
    """Rows may skip numbers; older, unknown and foreign tasks change nothing; a new epoch starts over."""
    await page.goto(relay.url + BLANK)

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


async def test_a_board_names_the_positions_of_the_tasks_that_the_relay_may_list(relay: Running, page: Page) -> None:
    """They are those that have not ended, and then the newest, up to the length of the relay's list."""
    await page.goto(relay.url + BLANK)

    def state(number: int) -> dict[str, Any]:
        task: dict[str, Any] = snapshot(f"t{number}", number, "shoot")["task"]
        return task | {"created_at": number, "done": {} if number else None}

    known = await page.evaluate(KNOWN, [state(number) for number in range(LISTED + 2)])

    assert known == {f"t{number}": f"e:{number}" for number in (0, *range(3, LISTED + 2))}


async def test_the_expiry_of_a_token_is_read_from_it(relay: Running, page: Page) -> None:
    """An API key and a malformed token have no known expiry."""
    await page.goto(relay.url + BLANK)
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


async def test_retry_after_may_be_seconds_or_a_date(relay: Running, page: Page) -> None:
    """A past date, a missing header or any other value means no wait."""
    await page.goto(relay.url + BLANK)
    now_ms = 784_111_777_000  # Sun, 06 Nov 1994 08:49:37 GMT
    values = ["120", "Sun, 06 Nov 1994 08:50:07 GMT", "Sun, 06 Nov 1994 08:00:00 GMT", "soon", None]

    assert await page.evaluate(RETRY_AFTER, [values, now_ms]) == [120, 30, 0, 0, 0]


async def test_the_backoff_doubles_up_to_5_s_with_full_jitter(relay: Running, page: Page) -> None:
    """A wait is anything from 0 to the window; success resets the window. Hidden pages wait up to 30 s."""
    await page.goto(relay.url + BLANK)

    assert await page.evaluate(WAITS, [1, True]) == [0.5, 1, 2, 4, 5, 5, 5, 5, 0.5]
    assert await page.evaluate(WAITS, [1, False]) == [0.5, 1, 2, 4, 8, 16, 30, 30, 0.5]
    assert await page.evaluate(WAITS, [0, True]) == [0] * 9


async def test_only_close_codes_from_4500_to_4999_are_final(relay: Running, page: Page) -> None:
    """After any other code the client reconnects."""
    await page.goto(relay.url + BLANK)

    again = await page.evaluate(ENDINGS, [1000, 1001, 1006, 1011, 4000, 4001, 4004, 4499, 5000])
    final = await page.evaluate(ENDINGS, [4500, 4501, 4504, 4505, 4999])

    assert set(again) == {"retry"}
    assert set(final) == {"refused"}
