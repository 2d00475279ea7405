"""A page that shows a task with 10 000 log lines: how often it blocks for more than 50 ms."""

import asyncio

from playwright.async_api import Page

from bench.bench import Bench, line, paced
from bench.browser import chromium
from bench.finding import Figure, Finding
from bench.relay_server import relay_server
from bench.upstream import Upstream

BURST, PER_S = 50, 1000

WATCH = """
globalThis.longTasks = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) globalThis.longTasks.push(entry.duration);
}).observe({ type: "longtask", buffered: true });
"""
"""Browsers call work of more than 50 ms a long task: https://developer.mozilla.org/docs/Web/API/PerformanceLongTaskTiming."""


async def measure(bench: Bench) -> Finding:
    lines = 2000 if bench.quick else 10_000
    async with Upstream() as upstream, relay_server(bench, upstream.settings) as relay, chromium() as browser:
        watched = await relay.attach("token-1")
        await upstream.subscribed("token-1")
        page = await browser.new_page()
        await page.goto(f"http://127.0.0.1:{relay.port}/t/{watched.task}#token={watched.token}")
        upstream.say("token-1", "the first line\n")
        await _shows(page, "the first line\n")
        await page.evaluate(WATCH)
        async for _ in paced(lines // BURST, PER_S / BURST):
            upstream.say("token-1", *(line() + "\n" for _ in range(BURST)))
        upstream.say("token-1", "the last line\n")
        await _shows(page, "the last line")
        long_ms = [float(duration_ms) for duration_ms in await page.evaluate("longTasks")]
    worst = f", the longest {max(long_ms):.0f} ms" if long_ms else ""
    return Finding(
        figures=(
            Figure(
                measure=f"long tasks of a page that receives {lines} log lines, {PER_S} per second",
                got=f"{len(long_ms)}{worst}",
            ),
        ),
        note="Headless Chromium, on the core of the viewers. A long task blocks the page for more than 50 ms.",
    )


async def _shows(page: Page, text: str) -> None:
    async with asyncio.timeout(30):
        await page.get_by_text(text).wait_for(state="attached")
