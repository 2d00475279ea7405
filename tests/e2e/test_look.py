"""Pages in the oldest supported browsers, with and without motion, and behind a proxy that serves them under a path."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from playwright.async_api import Page, Route, expect

from relay.app import Running
from tests.e2e import stories
from tests.e2e.follow import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

View = Callable[[Running, str], str]

STATIC = Path(__file__).parents[2] / "static"

LACKING = ("light-dark(", "color-mix(", "100dvh", "subgrid", ":has(", '/ ""', "field-sizing")
"""CSS that Chrome 105, Firefox 110 or Safari 16.4 does not support."""

COLOURS = """(element) => {
  const { color, backgroundColor } = getComputedStyle(element);
  return [color, backgroundColor];
}"""

CONTRAST = """(element) => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = numbers(colour).map((c) => linear(c / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  let ground = element;
  const isClear = (colour) => numbers(colour)[3] === 0;
  const parent = (node) => node.parentElement ?? node.getRootNode().host;
  while (isClear(getComputedStyle(ground).backgroundColor)) ground = parent(ground);
  const [one, other] = [getComputedStyle(element).color, getComputedStyle(ground).backgroundColor].map(light);
  return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
}"""


MOVING = """(() => {
  const { shadowRoot } = document.querySelector("relay-task");
  return shadowRoot.getAnimations().some((each) => each.animationName === "pulse" && each.playState === "running");
})()"""


async def age(page: Page) -> None:
    """Make what old browsers do not support unknown in every style sheet of a script, so that it is dropped."""

    async def serve(route: Route) -> None:
        name = route.request.url.partition("/static/")[2]
        script = (STATIC / name).read_text(encoding="utf-8")
        for word in LACKING:
            script = script.replace(word, f"unknown-{word}" if word[0].isalpha() else f":unknown{word}")
        await route.fulfill(body=script, content_type="text/javascript")

    await page.route("**/static/dist/*.js", serve)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_is_readable_without_modern_css(scheme: str, relay: Running, page: Page, view: View) -> None:
    """The contrast is 4.5 or more without light-dark() and color-mix(), in both colour schemes."""
    await stories.write(relay, ["stalled", "failed"])
    await age(page)
    await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]

    for name in ("stalled", "failed"):
        await page.goto(view(relay, name))
        await expect(page.locator("article")).to_be_visible()
        places = "h2, .facts, .pill, .notice strong, .elapsed, .verdict h3, .verdict .fault, .rail .name, .log div, a"
        for place in await page.locator(places).all():
            if await place.is_visible():
                assert await place.evaluate(CONTRAST) >= 4.5, await place.evaluate("(e) => e.outerHTML")
        surface = await page.locator("article").evaluate(COLOURS)
        assert surface == (
            ["rgb(22, 24, 29)", "rgb(255, 255, 255)"]
            if scheme == "light"
            else ["rgb(236, 238, 242)", "rgb(21, 24, 30)"]
        )


async def test_results_are_shown_without_modern_apis(relay: Running, page: Page, view: View) -> None:
    """Safari before 17 has no `URL.canParse` and `AbortSignal.any`."""
    await stories.write(relay, ["succeeded"])
    await page.add_init_script("delete URL.canParse; delete AbortSignal.any;")
    await age(page)

    for wire in ("ws", "sse", "poll"):
        await page.goto("about:blank")
        await page.goto(view(relay, "succeeded").replace("#", f"?wire={wire}#"))
        await expect(page.locator("figure img")).to_have_count(2)
        for picture in await page.locator("figure img").all():
            await expect(picture).not_to_have_js_property("naturalWidth", 0)


async def test_pages_are_laid_out_without_modern_css(relay: Running, page: Page, view: View) -> None:
    """Each step is one line, the lightbox fills the window, and the main button is readable."""
    await stories.write(relay, ["succeeded"])
    await age(page)
    await page.goto(view(relay, "succeeded"))
    await page.get_by_text("All steps").click()
    lines = page.locator(".steps li")
    tops = [
        await line.locator("span").evaluate_all("(all) => all.map((e) => e.offsetTop)") for line in await lines.all()
    ]
    assert all(max(top) - min(top) < 8 for top in tops)

    await page.get_by_role("button", name="Enlarge village-0.png").click()

    box = await page.get_by_role("dialog").bounding_box()
    assert box is not None
    assert page.viewport_size is not None
    assert box["height"] == page.viewport_size["height"]
    await page.goto(relay.url)
    main = page.get_by_role("button", name="Sign in")
    await main.hover()
    assert await main.evaluate(CONTRAST) >= 4.5


async def test_the_current_stage_pulses_unless_the_reader_prefers_reduced_motion(
    relay: Running, page: Page, view: View
) -> None:
    """The preference applies while the page is open."""
    await page.emulate_media(reduced_motion="no-preference")
    await stories.write(relay, ["running"])
    await page.goto(view(relay, "running"))
    await until(page, MOVING)
    await page.emulate_media(reduced_motion="reduce")

    await until(page, f"!{MOVING}")


@asynccontextmanager
async def under_path(relay: Running, prefix: str) -> AsyncIterator[str]:
    """Serve the relay under a path of another host, as nginx does: requests are forwarded without the path."""

    async def forward(request: web.Request) -> web.StreamResponse:
        if not request.path.startswith(prefix):
            raise web.HTTPNotFound
        target = relay.url + str(request.rel_url).removeprefix(prefix)
        kept = {name: value for name, value in request.headers.items() if name.lower() in FORWARDED}
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await bridge(session, request, target)
        body = await request.read()
        async with session.request(request.method, target, headers=kept, data=body or None) as answer:
            headers = {"Content-Type": answer.headers["Content-Type"]} if "Content-Type" in answer.headers else {}
            return web.Response(body=await answer.read(), status=answer.status, headers=headers)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", forward)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    async with aiohttp.ClientSession(auto_decompress=True) as session:
        try:
            yield f"http://{host}:{port}{prefix}"
        finally:
            await runner.cleanup()


FORWARDED = ("authorization", "accept", "content-type", "idempotency-key", "last-event-id")


async def bridge(session: aiohttp.ClientSession, request: web.Request, target: str) -> web.WebSocketResponse:
    """Forward a WebSocket in both directions."""
    browser = web.WebSocketResponse(protocols=("relay.v1",))
    await browser.prepare(request)
    async with session.ws_connect(target, protocols=("relay.v1",)) as relay_side:

        async def downwards() -> None:
            async for message in relay_side:
                await browser.send_str(message.data)
            await browser.close(code=relay_side.close_code or 1000)

        async with asyncio.TaskGroup() as group:
            group.create_task(downwards())
            async for message in browser:
                await relay_side.send_str(message.data)
            await relay_side.close()
    return browser


async def test_all_pages_work_under_a_base_path(relay: Running, page: Page) -> None:
    """The dashboard, a task, the inspector and the links between them stay below it."""
    await stories.write(relay, ["running", "succeeded"])
    async with under_path(relay, "/tools/relay") as base:
        outside: list[str] = []
        page.on("request", lambda request: outside.append(request.url) if "/tools/relay/" not in request.url else None)
        await page.goto(f"{base}/#key={relay.api_key}")
        await expect(page.locator("#list li")).to_have_count(2)
        await expect(page.locator("#model option")).not_to_have_count(1)

        await page.locator('#list li[data-state="running"]').get_by_role("link").click()
        await expect(page).to_have_url(re.compile(re.escape(base) + "/t/running#token="))
        await expect(page.locator('[data-is="state"]')).to_have_text("Generating")
        await page.get_by_role("link", name="View all events").click()
        await expect(page).to_have_url(re.compile(re.escape(base) + "/inspect/running#token="))
        await expect(page.locator("#messages > div").first).to_contain_text("submit")
        await page.get_by_role("link", name="View task").click()
        await expect(page.locator('[data-is="state"]')).to_have_text("Generating")
        await page.get_by_role("link", name="relay").click()
        await expect(page).to_have_url(f"{base}/")
        await expect(page.locator("#list li")).to_have_count(2)

        token, _ = relay.context.access.mint("succeeded", scope="view", ttl_s=600)
        await page.goto(f"{base}/embed/succeeded#token={token}")
        await expect(page.locator("figure img")).to_have_count(2)
        assert [url for url in outside if not url.startswith("data:")] == []
        await page.goto("about:blank")
