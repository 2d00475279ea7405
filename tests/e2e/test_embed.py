"""A task on a page of another origin: as an element, and in a frame."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from aiohttp import web
from playwright.async_api import Page, expect

from relay.app import Running
from relay.sandbox import Sandbox
from relay.tasks.requests import Start
from relay.web.static_files import STATIC, VERSIONED

pytestmark = pytest.mark.asyncio(loop_scope="session")

View = Callable[[Running, str], str]
MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]

MODEL = "bytedance/text-to-image-seedream-v4"


class Shop:
    """A site with one page on another origin."""

    def __init__(self) -> None:
        self.origin = ""
        self.body = ""

    async def page(self, _request: web.Request) -> web.Response:
        head = '<!doctype html><title>Shop</title><link rel="icon" href="data:,">'
        return web.Response(text=head + self.body, content_type="text/html")

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_get("/", self.page)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield
        finally:
            await runner.cleanup()


async def begun(relay: Running) -> str:
    """Start a task and return its id."""
    return (await relay.context.tasks.start(Start(model=MODEL, input={"prompt": "A lake."}))).snapshot.id


def element(relay: Running, task: str, more: str = "") -> str:
    """Return the markup of an embedding page: one script and one element."""
    token, _ = relay.context.access.mint(task, scope="view", ttl_s=600)
    return (
        f'<script type="module" src="{relay.url}/static/relay.js"></script>'
        f'<relay-task task="{task}" token="{token}" {more}></relay-task>'
    )


@pytest.mark.parametrize("wire", ["ws", "sse"])
async def test_the_element_works_on_an_allowed_origin(wire: str, make_relay: MakeRelay, page: Page) -> None:
    """One script and one element are enough, over either transport."""
    shop = Shop()
    async with shop.open(), make_relay(allowed_origins=(shop.origin,)) as relay:
        shop.body = element(relay, await begun(relay), f'wire="{wire}"')

        await page.goto(shop.origin)

        await expect(page.locator('[data-is="state"]')).to_have_text("Succeeded")
        await expect(page.locator("figure img")).not_to_have_js_property("naturalWidth", 0)
        assert (await page.evaluate("messages[0]"))["type"] == "snapshot"
        await page.goto("about:blank")


async def test_a_page_can_check_the_integrity_of_the_script(
    make_relay: MakeRelay, page: Page, sandbox: Sandbox
) -> None:
    """The script with the version in its name is complete, and knows which relay it came from."""
    shop = Shop()
    integrity = json.loads((STATIC / "dist" / "manifest.json").read_bytes())["integrity"]
    checked = f'crossorigin integrity="{integrity}" src="'
    async with shop.open(), make_relay(allowed_origins=(shop.origin,)) as relay:
        sandbox.next_run(hold_at="task_queue")
        markup = element(relay, await begun(relay))
        shop.body = markup.replace('src="', checked).replace("static/relay.js", f"static/{VERSIONED}")

        await page.goto(shop.origin)

        await expect(page.locator('[data-is="state"]')).to_have_text("Queued")
        await page.goto("about:blank")


async def test_the_element_is_refused_on_another_origin(relay: Running, page: Page, complaints: list[str]) -> None:
    """Copied markup shows the reason instead of the task."""
    complaints += ["403", "blocked by CORS policy", "net::ERR_FAILED"]
    shop = Shop()
    async with shop.open():
        shop.body = element(relay, await begun(relay))

        await page.goto(shop.origin)

        await expect(page.locator('[data-is="lost"]')).to_contain_text(
            f"The relay does not allow pages of {shop.origin}"
        )
        assert await page.evaluate("messages") == []
        await page.goto("about:blank")


async def test_an_element_follows_its_attributes(
    make_relay: MakeRelay, page: Page, sandbox: Sandbox, complaints: list[str]
) -> None:
    """Moved within the page it continues; with another task and token it shows that task."""
    complaints.append("closed before the connection is established")  # it may be given another task that early
    shop = Shop()
    async with shop.open(), make_relay(allowed_origins=(shop.origin,)) as relay:
        sandbox.next_run(hold_at="task_queue")
        waiting = await begun(relay)
        shop.body = element(relay, waiting)
        await page.goto(shop.origin)
        await expect(page.locator('[data-is="state"]')).to_have_text("Queued")

        await page.evaluate("document.body.append(document.querySelector('relay-task'))")
        await expect(page.locator('[data-is="connection"]')).to_have_text("live")
        other = await begun(relay)
        token, _ = relay.context.access.mint(other, scope="view", ttl_s=600)
        await page.evaluate(
            "([task, token]) => Object.assign(document.querySelector('relay-task'), { task, token })", [other, token]
        )

        await expect(page.locator('[data-is="state"]')).to_have_text("Succeeded")
        await page.goto("about:blank")


async def test_a_frame_shows_a_task_on_an_allowed_origin(make_relay: MakeRelay, page: Page, view: View) -> None:
    """`/embed/…` needs no script on the embedding page."""
    shop = Shop()
    async with shop.open(), make_relay(frame_ancestors=shop.origin) as relay:
        address = view(relay, await begun(relay)).replace("/t/", "/embed/")
        shop.body = f'<iframe src="{address}" width="800" height="600"></iframe>'

        await page.goto(shop.origin)

        frame = page.frame_locator("iframe")
        await expect(frame.locator('[data-is="state"]')).to_have_text("Succeeded")
        await expect(frame.locator("figure img")).not_to_have_js_property("naturalWidth", 0)
        await page.goto("about:blank")


async def test_a_frame_posts_its_height_to_the_page(make_relay: MakeRelay, page: Page, view: View) -> None:
    """A page that sets this height removes the frame's scroll bar."""
    shop = Shop()
    async with shop.open(), make_relay(frame_ancestors=shop.origin) as relay:
        address = view(relay, await begun(relay)).replace("/t/", "/embed/")
        shop.body = f'''<iframe src="{address}" width="800" height="100"></iframe><script>
          addEventListener("message", ({{ data, source }}) => {{
            const frame = document.querySelector("iframe");
            if (source === frame.contentWindow && data.type === "relay-height") frame.height = data.height_px;
          }});
        </script>'''

        await page.goto(shop.origin)

        frame = page.frame_locator("iframe")
        await expect(frame.locator("figure img")).not_to_have_js_property("naturalWidth", 0)
        overflow = "root => root.scrollHeight - root.clientHeight"
        await expect(page.locator("iframe")).not_to_have_attribute("height", "100")
        async with asyncio.timeout(60):
            while await frame.locator("html").evaluate(overflow) > 0:  # noqa: ASYNC110 -- layout has no event
                await asyncio.sleep(0)
        await page.goto("about:blank")


@pytest.mark.parametrize("path", ["embed", "t"])
async def test_no_other_page_can_frame_a_task(
    path: str, make_relay: MakeRelay, page: Page, view: View, complaints: list[str]
) -> None:
    """The browser enforces `frame-ancestors`, so that no page can overlay its own buttons."""
    complaints.append("frame-ancestors|Refused to display|chrome-error")
    shop = Shop()
    async with shop.open(), make_relay(frame_ancestors="'self'" if path == "embed" else "*") as relay:
        address = view(relay, await begun(relay)).replace("/t/", f"/{path}/")
        shop.body = f'<iframe src="{address}" width="800" height="600"></iframe>'
        async with page.expect_event("console", lambda line: "frame-ancestors" in line.text):
            await page.goto(shop.origin)

        await expect(page.frame_locator("iframe").locator("relay-task")).to_have_count(0)
        await page.goto("about:blank")
