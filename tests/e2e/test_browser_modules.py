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
  const { reduce } = await import("/static/reducer.js");
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
  const { SseParser } = await import("/static/sse.js");
  const parser = new SseParser();
  return { blocks: chunks.flatMap((chunk) => parser.feed(chunk)), retry_s: parser.retry_s };
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
