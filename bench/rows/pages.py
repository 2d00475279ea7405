"""Pages with much to show: the inspector with 10 000 events, a busy board, a long answer, and results with pictures."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from playwright.async_api import Browser, Page

from bench.bench import Bench, paced
from bench.browser import chromium, main_threads_s
from bench.finding import Figure, Finding, Table
from bench.lighthouse import Report, performance_of
from bench.relay_server import KEY, RelayServer, relay_server
from bench.rows.answer import segmented
from bench.rows.joining import long_task
from bench.upstream import Upstream
from relay.sandbox import Sandbox

EVENTS = 10_000
OPEN_S = 0.5
ROWS, UPDATES_PER_S, BUSY = 200, 5, 0.35
ANSWER_BYTES, CHUNKS, FRAMES_PER_S = 200_000, 400, 55
LAYOUT_SHIFT, SCORE = 0.02, 95

LAST_EVENT = """new Promise((resolve) => {
  const look = () => {
    const row = [...document.querySelectorAll("#messages > [data-kind=event]")].at(-1);
    if (row?.firstElementChild.textContent === "SEQ") setTimeout(() => resolve(performance.now()));
    else requestAnimationFrame(look);
  };
  look();
})"""
"""Resolves with the time since the navigation at which the row of an event was drawn."""

FILTER = """new Promise((resolve) => {
  const began = performance.now();
  const field = document.getElementById("filter");
  field.value = '"seq":5,';
  field.dispatchEvent(new InputEvent("input"));
  requestAnimationFrame(() => setTimeout(() => {
    const rows = document.querySelectorAll("#messages > [data-kind=event]:not([hidden])");
    resolve([performance.now() - began, rows.length]);
  }));
})"""

COUNT_FRAMES = """globalThis.frames_ = 0;
globalThis.counting = () => { frames_ += 1; requestAnimationFrame(counting); };
requestAnimationFrame(counting);"""


async def measure(bench: Bench) -> Finding:
    async with Upstream() as upstream, relay_server(bench, upstream.settings) as relay, chromium() as browser:
        parts = [_inspector, _board, _answer]
        figures = [figure for part in parts for figure in await _on_a_page(browser, part, bench, upstream, relay)]
    more, table = await _lighthouse(bench)
    return Finding(
        figures=(*figures, *more),
        tables=(table,),
        note="Headless Chromium, on the core of the viewers and of the platform. The share of the main thread is the "
        "scheduler's account of its CPU time.",
    )


Part = Callable[[Page, Bench, Upstream, RelayServer], Awaitable[list[Figure]]]


async def _on_a_page(
    browser: Browser, part: Part, bench: Bench, upstream: Upstream, relay: RelayServer
) -> list[Figure]:
    page = await browser.new_page()
    figures = await part(page, bench, upstream, relay)
    await page.close()
    return figures


async def _inspector(page: Page, bench: Bench, upstream: Upstream, relay: RelayServer) -> list[Figure]:
    events = 2000 if bench.quick else EVENTS
    watched = await long_task(upstream, relay, events)
    seq = str((await relay.snapshot(watched.task))["seq"])
    await page.goto(f"http://127.0.0.1:{relay.port}/inspect/{watched.task}#token={watched.token}", wait_until="commit")
    opened_s = await page.evaluate(LAST_EVENT.replace("SEQ", seq)) / 1000
    filtered_ms, found = await page.evaluate(FILTER)
    if found != 1:
        raise RuntimeError(f"the filter of the inspector has found {found} events instead of one")
    return [
        Figure(
            measure=f"the inspector opens a task with {events} events",
            got=f"{opened_s:.2f} s",
            reach=f"≤ {OPEN_S} s",
            reached=opened_s <= OPEN_S,
        ),
        Figure(measure="its filter searches all of them", got=f"{filtered_ms:.0f} ms"),
    ]


async def _board(page: Page, bench: Bench, upstream: Upstream, relay: RelayServer) -> list[Figure]:
    tokens = [f"token-{number}" for number in range(ROWS)]
    for token in tokens:
        await relay.attach(token)
        await upstream.subscribed(token)
    await page.goto(f"http://127.0.0.1:{relay.port}/#key={KEY}")
    await page.locator(f"#list > li:nth-child({ROWS})").wait_for(state="attached")
    await page.locator("#connection", has_text="live").wait_for()
    seconds = 4 if bench.quick else 20
    busy, frames_per_s = await _while_updating(page, _progress(upstream, tokens, seconds), seconds)
    return [
        Figure(
            measure=f"main thread of the board, {ROWS} rows with {UPDATES_PER_S} updates per second each",
            got=f"{busy:.2f} busy, {frames_per_s:.0f} frames per second",
            reach=f"≤ {BUSY}",
            reached=busy <= BUSY,
        )
    ]


async def _progress(upstream: Upstream, tokens: list[str], seconds: int) -> None:
    steps = seconds * UPDATES_PER_S
    batches = 20
    async for number in paced(steps * batches, UPDATES_PER_S * batches):
        step, batch = divmod(number, batches)
        for token in tokens[batch::batches]:
            percent = f"{100 * (step + 1) / steps:.1f}"
            upstream.say(token, {"type": "progressGenerate", "percentage": percent, "task": "Sampling"})


async def _answer(page: Page, bench: Bench, upstream: Upstream, relay: RelayServer) -> list[Figure]:
    chunks = CHUNKS // 4 if bench.quick else CHUNKS
    words = ("word " * 20).strip() + "\n"
    chunk = words * (ANSWER_BYTES // CHUNKS // len(words))
    watched = await relay.attach("token-answer")
    await upstream.subscribed("token-answer")
    await page.goto(f"http://127.0.0.1:{relay.port}/t/{watched.task}#token={watched.token}")
    await page.locator('[data-is="connection"]', has_text="live").wait_for()

    async def stream() -> None:
        async for number in paced(chunks, 20):
            upstream.say("token-answer", segmented(chunk * (number + 1)), gen2=True)

    busy, frames_per_s = await _while_updating(page, stream(), chunks / 20)
    return [
        Figure(
            measure=f"frames per second while an answer of {chunks * len(chunk) // 1000} KB streams in 20 s",
            got=f"{frames_per_s:.0f}, main thread {busy:.2f} busy",
            reach=f"≥ {FRAMES_PER_S}",
            reached=frames_per_s >= FRAMES_PER_S,
        )
    ]


async def _while_updating(page: Page, updates: Awaitable[None], seconds: float) -> tuple[float, float]:
    """Return the share of the main thread that is busy, and the frames per second."""
    browser = page.context.browser
    if browser is None:
        raise AssertionError("the page belongs to a browser")
    await page.evaluate(COUNT_FRAMES)
    before_s, began = await main_threads_s(browser), time.monotonic()
    await updates
    passed_s, frames = time.monotonic() - began, await page.evaluate("frames_")
    return (await main_threads_s(browser) - before_s) / passed_s, frames / passed_s


async def _lighthouse(bench: Bench) -> tuple[list[Figure], Table]:
    """Measure the pages of a task with a picture. Each is measured several times, and the median counts."""
    async with Sandbox(speed=50) as sandbox:
        settings = {
            "WIRO_API_KEY": sandbox.api_key,
            "WIRO_API_SECRET": sandbox.api_secret or "",
            "WIRO_API_URL": sandbox.api_url,
            "WIRO_SOCKET_URL": sandbox.socket_url,
            "RELAY_MEDIA_SOURCES": sandbox.origin,
        }
        async with relay_server(bench, settings) as relay:
            made = await relay.start("A lake.")
            while not (await relay.snapshot(made.task))["done"]:  # noqa: ASYNC110 -- another process decides
                await asyncio.sleep(0.05)
            reports: dict[str, Report] = {}
            for name in ("t", "embed"):
                url = f"http://127.0.0.1:{relay.port}/{name}/{made.task}#token={made.token}"
                runs = sorted(
                    [await performance_of(url) for _ in range(1 if bench.quick else 3)], key=lambda each: each.score
                )
                reports[name] = runs[len(runs) // 2]
    figures = []
    for name, report in reports.items():
        figures += [
            Figure(
                measure=f"Lighthouse performance of /{name}, a task with a picture, mobile",
                got=str(report.score),
                reach=f"≥ {SCORE}",
                reached=report.score >= SCORE,
            ),
            Figure(
                measure="its layout shift (CLS)",
                got=f"{report.layout_shift:.3f}",
                reach=f"≤ {LAYOUT_SHIFT}",
                reached=report.layout_shift <= LAYOUT_SHIFT,
            ),
        ]
    table = Table(
        title="Lighthouse, mobile (a slow phone, 1.6 Mbit/s and a round-trip time of 150 ms, simulated)",
        head=("page", "score", "first paint", "largest paint", "blocked", "layout shift"),
        rows=tuple(
            (
                f"/{name}",
                str(report.score),
                f"{report.first_paint_s:.1f} s",
                f"{report.largest_paint_s:.1f} s",
                f"{report.blocking_ms:.0f} ms",
                f"{report.layout_shift:.3f}",
            )
            for name, report in reports.items()
        ),
    )
    return figures, table
