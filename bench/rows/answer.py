"""Bytes to a viewer for a language model's cumulative answer of 2000 chunks with 6 characters, in both dialects."""

import asyncio
from collections.abc import Callable

from bench.bench import Bench, paced
from bench.finding import Figure, Finding
from bench.relay_server import RelayServer, relay_server
from bench.upstream import Upstream
from bench.viewers import Viewers, event_stream, websocket

CHUNKS = 2000
CHUNK = "words "
REACH = 0.01
WIRES = {"WebSocket": lambda watched: websocket(watched.socket, watched.token),
         "SSE": lambda watched: event_stream(watched.events, watched.token)}  # fmt: skip


def cumulative(text: str) -> dict[str, object]:
    """Return the frame of an answer in gen-1: it contains the whole answer so far, twice."""
    return {"type": "progressGenerate", "raw": text, "thinking": [], "answer": [text], "isThinking": False,
            "speed": "16.5", "speedType": "words/s", "elapsedTime": "5s"}  # fmt: skip


def segmented(text: str) -> dict[str, object]:
    """Return the frame of an answer in gen-2: it contains the whole answer so far, once."""
    return {"type": "progressGenerate", "segments": [{"type": "answer", "text": text}],
            "speed": "16.5", "speedType": "words/s", "elapsedTime": "5s"}  # fmt: skip


async def measure(bench: Bench) -> Finding:
    per_s = 400 if bench.quick else 100
    figures = []
    async with Upstream() as upstream, relay_server(bench, upstream.settings) as relay:
        found = await asyncio.gather(
            _stream(bench, upstream, relay, "token-1", cumulative, per_s),
            _stream(bench, upstream, relay, "token-2", segmented, per_s),
        )
    for dialect, shares in zip(("gen-1", "gen-2"), found, strict=True):
        worst = max(shares.values())
        figures.append(
            Figure(
                measure=f"bytes to a viewer of a cumulative answer, {dialect}",
                got=", ".join(f"{wire} {share:.4f}" for wire, share in shares.items()) + " x the platform's",
                reach=f"≤ {REACH}",
                reached=worst <= REACH,
            )
        )
    said = f"The answer has {per_s} chunks per second. A slower answer has more appends, at most one per 100 ms."
    return Finding(figures=tuple(figures), note=said)


async def _stream(
    bench: Bench, upstream: Upstream, relay: RelayServer, token: str, spell: Callable[[str], object], per_s: float
) -> dict[str, float]:
    """Return the bytes that each wire's viewer received, as a share of those that the platform sent."""
    watched = await relay.attach(token)
    await upstream.subscribed(token)
    shares = {}
    sent_bytes = 0
    async with (
        Viewers(relay.port, [WIRES["WebSocket"](watched)], bench.room("viewers")) as sockets,
        Viewers(relay.port, [WIRES["SSE"](watched)], bench.room("viewers")) as streams,
    ):
        for viewers in (sockets, streams):
            await viewers.all_open(answered=True)
            await viewers.count_anew()
        async for number in paced(CHUNKS, per_s):
            sent_bytes += upstream.say(token, spell(CHUNK * (number + 1)), gen2=spell is segmented)
        seq = await _complete(relay, watched.task)
        for wire, viewers in (("WebSocket", sockets), ("SSE", streams)):
            seen = await viewers.until(lambda seen: seen.lowest_seq >= seq)
            shares[wire] = seen.bytes / sent_bytes
    return shares


async def _complete(relay: RelayServer, task: str) -> int:
    """Wait until the relay has the whole answer, and return its seq."""
    while True:
        snapshot = await relay.snapshot(task)
        if snapshot["segments"] and len(snapshot["segments"][0]["text"]) == CHUNKS * len(CHUNK):
            return int(snapshot["seq"])
        await asyncio.sleep(0.05)
