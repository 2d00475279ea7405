"""Requests, bytes and time until an embedded task is shown, over lines of several lengths; and the sizes of clients."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import orjson
from playwright.async_api import Browser, Page, Request

from bench.bench import Bench
from bench.browser import chromium
from bench.finding import Figure, Finding, Table
from bench.relay_server import KEY, RelayServer, relay_server
from bench.slow_link import SlowLink
from bench.upstream import Upstream
from relay.web.static_files import SCRIPTS, STATIC

RTTS_MS = (0, 100, 300)
REACH_S = {100: 0.6, 300: 1.6}
EMBED_REQUESTS, EMBED_BYTES = 5, 30_000
BOARD_REQUESTS, BOARD_BYTES, BOARD_TASKS = 8, 40_000, 25

SHOWN = """addEventListener("relay-update", ({ detail }) => {
  if (!detail.state || "shown_ms" in globalThis) return;
  globalThis.shown_ms = null;
  requestAnimationFrame(() => setTimeout(() => { globalThis.shown_ms = performance.now(); }));
});"""
"""The element draws in the same frame, before this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One load of a page."""

    requests: int
    received_bytes: int
    shown_s: float = 0.0


async def measure(bench: Bench) -> Finding:
    async with Upstream() as upstream, relay_server(bench, upstream.settings) as relay, chromium() as browser:
        watched = await relay.attach("token-1")
        await upstream.subscribed("token-1")
        path = f"/embed/{watched.task}#token={watched.token}"
        loads: dict[tuple[int, str], list[Load]] = {}
        await _embed(browser, relay, path, 0)  # the browser has just started
        for _ in range(bench.turns()):
            for rtt_ms in RTTS_MS:
                cold, warm = await _embed(browser, relay, path, rtt_ms)
                loads.setdefault((rtt_ms, "cold"), []).append(cold)
                loads.setdefault((rtt_ms, "warm"), []).append(warm)
        for number in range(2, BOARD_TASKS + 1):
            await relay.attach(f"token-{number}")
        board, with_form = await _board(browser, relay)
    times_s = {key: median(load.shown_s for load in each) for key, each in loads.items()}
    embed = loads[0, "cold"][0]
    figures = [
        _budget("an embedded task until it is live, cold cache", embed, "embed", EMBED_REQUESTS, EMBED_BYTES),
        *(
            Figure(
                measure=f"first state in an embed, RTT {rtt_ms} ms, cold cache",
                got=f"{times_s[rtt_ms, 'cold']:.2f} s",
                reach=f"≤ {reach_s} s",
                reached=times_s[rtt_ms, "cold"] <= reach_s,
            )
            for rtt_ms, reach_s in REACH_S.items()
        ),
        _budget(f"the board with {BOARD_TASKS} tasks until it is live", board, "board", BOARD_REQUESTS, BOARD_BYTES),
        Figure(measure="the board with its form, which loads after the list", got=_cost(with_form, "board")),
    ]
    times = Table(
        title="Seconds from the navigation to the first state in an embed",
        head=("round-trip time", "cold cache", "warm cache"),
        rows=tuple(
            (f"{rtt_ms} ms", f"{times_s[rtt_ms, 'cold']:.2f}", f"{times_s[rtt_ms, 'warm']:.2f}") for rtt_ms in RTTS_MS
        ),
    )
    return Finding(
        figures=tuple(figures),
        tables=(times, await _sizes()),
        note="Over HTTP/1.1 without TLS, through a proxy that delays each direction, the handshake and slow start. "
        "Bytes are those of all responses and messages with their headers, with the script as browsers receive it over "
        "HTTPS: compressed with Brotli instead of gzip.",
    )


def _received(load: Load, script: str) -> int:
    """Return the bytes that a browser receives over HTTPS."""
    path = STATIC / "dist" / SCRIPTS[script]
    saved = path.with_suffix(".js.gz").stat().st_size - path.with_suffix(".js.br").stat().st_size
    return load.received_bytes - saved


def _cost(load: Load, script: str) -> str:
    return f"{load.requests} requests, {_received(load, script) / 1000:.1f} KB"


def _budget(measure: str, load: Load, script: str, requests: int, size: int) -> Figure:
    return Figure(
        measure=measure,
        got=_cost(load, script),
        reach=f"≤ {requests} requests, ≤ {size // 1000} KB",
        reached=load.requests <= requests and _received(load, script) <= size,
    )


async def _embed(browser: Browser, relay: RelayServer, path: str, rtt_ms: int) -> tuple[Load, Load]:
    """Load the page of an iframe with an empty cache and again."""
    link = SlowLink(relay.port, rtt_ms / 1000)
    async with link.open():
        context = await browser.new_context()
        await context.add_init_script(SHOWN)
        page = await context.new_page()
        cold = await _load(page, link, path)
        await page.goto("about:blank")
        warm = await _load(page, link, path)
        await context.close()
    return cold, warm


async def _load(page: Page, link: SlowLink, path: str) -> Load:
    requests = _requests_of(page)
    before = link.received_bytes
    await page.goto(f"http://127.0.0.1:{link.port}{path}", wait_until="commit")
    async with asyncio.timeout(60):
        await page.locator('[data-is="connection"]', has_text="live").wait_for()
        shown_ms = await page.evaluate("shown_ms")
    return Load(requests=len(requests), received_bytes=link.received_bytes - before, shown_s=float(shown_ms) / 1000)


def _requests_of(page: Page) -> list[str]:
    """Return the addresses that a page requests from now on, pictures and its icon excluded."""
    found: list[str] = []
    page.on("request", lambda request: None if _is_picture(request) else found.append(request.url))
    page.on("websocket", lambda socket: found.append(socket.url))
    return found


def _is_picture(request: Request) -> bool:
    return request.resource_type == "image" or request.url.endswith("/favicon.svg")


async def _board(browser: Browser, relay: RelayServer) -> tuple[Load, Load]:
    """Load the board. Return what it took until its list was live, and until its form was there as well."""
    link = SlowLink(relay.port, 0)
    until_live: list[Load] = []

    def on_message(message: str | bytes) -> None:
        if '"listed"' in str(message):
            until_live.append(Load(requests=len(requests), received_bytes=link.received_bytes))

    async with link.open():
        page = await browser.new_page()
        page.on("websocket", lambda socket: socket.on("framereceived", on_message))
        requests = _requests_of(page)
        await page.goto(f"http://127.0.0.1:{link.port}/#key={KEY}")
        await page.locator("#connection", has_text="live").wait_for()
        await page.locator(f"#list > li:nth-child({BOARD_TASKS})").wait_for(state="attached")
        await page.locator("#model option").first.wait_for(state="attached")
        await page.close()
    return until_live[0], Load(requests=len(requests), received_bytes=link.received_bytes)


async def _sizes() -> Table:
    """Measure the clients of others, from their packages, and ours in the same way."""
    command = await asyncio.create_subprocess_exec("node", "sizes.mjs", cwd=Path(__file__).parents[1], stdout=-1)
    output, _ = await command.communicate()
    if command.returncode:
        raise RuntimeError(f"bench/sizes.mjs failed with exit code {command.returncode}")
    return Table(
        title="KB of a client, bundled and minified by esbuild",
        head=("client", "minified", "gzip", "Brotli"),
        rows=tuple(
            (each["name"], *(f"{each[form] / 1000:.1f}" for form in ("minified", "gzip", "brotli")))
            for each in orjson.loads(output)
        ),
    )
