"""A task on a page of another origin: as an element, and in a frame."""

import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from playwright.async_api import Page, expect

from relay.app import Running
from relay.sandbox import Sandbox
from relay.tasks.requests import Start
from relay.web.static_files import STATIC, VERSIONED
from tests.e2e import stories
from tests.e2e.follow import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

View = Callable[[Running, str], str]
MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]

DOCS = Path(__file__).parents[2] / "docs"
MODEL = "bytedance/text-to-image-seedream-v4"

SURFACE = "element => getComputedStyle(element).backgroundColor"
ACCENT = "element => getComputedStyle(element.querySelector('[data-is=state]')).color"


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


async def test_the_example_gives_a_frame_its_height_at_once(make_relay: MakeRelay, page: Page, view: View) -> None:
    """The first height of a finished task is the right one, whatever height the page's own style gives the frame."""
    shop = Shop()
    async with shop.open(), make_relay(frame_ancestors=shop.origin) as relay:
        await stories.write(relay, ["succeeded"])
        await page.add_init_script(
            "window.heights = []; addEventListener('message', ({ data }) => heights.push(data.height_px));"
        )
        example = (DOCS / "examples" / "frame.html").read_text(encoding="utf-8")
        address = view(relay, "succeeded").replace("/t/", "/embed/").replace("#", "?theme=light#")
        shop.body = re.sub(r'http://[^"]*', address, example.replace("height: 30rem", "height: 10rem"))

        await page.goto(shop.origin)

        frame = page.frame_locator("iframe")
        for picture in await frame.locator("figure img").all():
            await expect(picture).not_to_have_js_property("naturalWidth", 0)
        await until(page, "heights.length > 0")
        await until(page, "document.querySelector('iframe').clientHeight === heights.at(-1)")
        overflow = "root => root.scrollHeight - root.clientHeight"
        assert await frame.locator("html").evaluate(overflow) == 0
        assert await page.evaluate("heights.length") == 1
        await page.goto("about:blank")


async def test_a_frame_takes_its_look_from_its_address(make_relay: MakeRelay, page: Page, view: View) -> None:
    """The theme of the page rather than of the system, a readable accent, one line, and a button for a signal."""
    shop, infos = Shop(), list[str]()
    page.on("console", lambda line: infos.append(line.text))
    await page.emulate_media(color_scheme="dark")
    async with shop.open(), make_relay(frame_ancestors=shop.origin) as relay:
        await stories.write(relay, ["running"])
        address = view(relay, "running").replace("/t/", "/embed/")
        looks = ("theme=light&accent=%23fc0&notify=1", "theme=dark&compact=1&accent=7a3ff2")
        shop.body = "".join(f'<iframe src="{address.replace("#", f"?{look}#")}"></iframe>' for look in looks)

        await page.goto(shop.origin)

        card, line = (page.frame_locator("iframe").nth(number).locator("article") for number in (0, 1))
        await expect(card.locator('[data-is="state"]')).to_have_text("Generating")
        assert await card.evaluate(SURFACE) == "rgb(255, 255, 255)"
        assert await card.evaluate("() => getComputedStyle(document.documentElement).colorScheme") == "light"
        await expect(card.get_by_role("button", name="Notify me")).to_have_attribute("aria-pressed", "false")
        assert any("accent #fc0 has a contrast of 1." in text and "in the light theme" in text for text in infos)
        await expect(line).to_contain_text(re.compile("60 % ?Generating"))
        assert await line.evaluate(SURFACE) == "rgb(21, 24, 30)"
        assert not any("accent" in text and "dark theme" in text for text in infos if "#fc0" in text)
        await page.goto("about:blank")


async def test_an_element_changes_its_look_while_it_is_shown(
    make_relay: MakeRelay, page: Page, complaints: list[str]
) -> None:
    """By attribute or property, without a new connection. A color that is none is refused in words."""
    shop = Shop()
    complaints.append("accent must be a color such as #7a3ff2, not “red”")
    async with shop.open(), make_relay(allowed_origins=(shop.origin,)) as relay:
        await stories.write(relay, ["running"])
        shop.body = element(relay, "running", 'accent="red"')
        await page.goto(shop.origin)
        card = page.locator("article")
        await expect(card.locator('[data-is="connection"]')).to_have_text("live")
        before = await card.evaluate(ACCENT)
        surface = await card.evaluate(SURFACE)

        await page.evaluate("Object.assign(document.querySelector('relay-task'), { theme: 'dark', accent: '#e0457b' })")
        assert await card.evaluate(SURFACE) != surface
        assert await card.evaluate(ACCENT) != before
        await page.evaluate("document.querySelector('relay-task').compact = true")
        await expect(card.locator("svg")).to_have_attribute("aria-valuenow", "60")
        await page.evaluate("document.querySelector('relay-task').removeAttribute('compact')")
        await expect(card.locator('[data-is="connection"]')).to_have_text("live")
        assert await page.evaluate("messages.filter(({ type }) => type === 'snapshot').length") == 1
        await page.goto("about:blank")


async def test_an_element_applies_an_accent_that_was_set_while_it_was_removed(
    make_relay: MakeRelay, page: Page
) -> None:
    """Its content stays the same when it is added again, and so do the other style sheets."""
    shop = Shop()
    async with shop.open(), make_relay(allowed_origins=(shop.origin,)) as relay:
        await stories.write(relay, ["running"])
        shop.body = element(relay, "running")
        await page.goto(shop.origin)
        card = page.locator("article")
        await expect(card.locator('[data-is="connection"]')).to_have_text("live")
        before = await card.evaluate(ACCENT)

        await page.evaluate("""async () => {
          const task = document.querySelector("relay-task");
          task.remove();
          await Promise.resolve();
          task.accent = "#7a3ff2";
          document.body.append(task);
        }""")

        card_now = "document.querySelector('relay-task').shadowRoot.querySelector('article')"
        await page.wait_for_function(f"before => ({ACCENT})({card_now}) !== before", arg=before)
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
