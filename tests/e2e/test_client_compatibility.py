"""The oldest browsers that are supported, played by taking away what they lack; and frames without an origin."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from playwright.async_api import Page, expect

from relay.app import Running
from relay.core.snapshot import Snapshot
from relay.sandbox import Sandbox
from relay.tasks.requests import Start
from tests.e2e.middlebox import Middlebox
from tests.e2e.test_embed import Shop

MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]

pytestmark = pytest.mark.asyncio(loop_scope="session")

IMAGE = "bytedance/text-to-image-seedream-v4"

LACKS = """
delete URL.canParse;
delete URL.parse;
delete AbortSignal.any;
delete AbortSignal.timeout;
delete Promise.withResolvers;
delete Promise.try;
delete Object.groupBy;
delete Map.groupBy;
delete Array.fromAsync;
for (const name of ["toSorted", "toReversed", "toSpliced", "with", "group"]) delete Array.prototype[name];
for (const name of ["union", "difference", "intersection", "isSubsetOf"]) delete Set.prototype[name];
for (const name of ["isWellFormed", "toWellFormed"]) delete String.prototype[name];
delete Response.json;
delete window.Iterator;
delete window.requestIdleCallback;
"""
"""What Chrome 105, Firefox 110 and Safari 16 do not all have."""


async def made(relay: Running, sandbox: Sandbox, hold_at: str | None = None) -> Snapshot:
    """Start a task, which waits where it is told to."""
    if hold_at:
        sandbox.next_run(hold_at=hold_at)
    return (await relay.context.tasks.start(Start(model=IMAGE, input={"prompt": "A lake."}))).snapshot


def address(relay: Running, base: str, task: Snapshot, page: str = "t") -> str:
    return f"{base}/{page}/{task.id}#token={relay.context.access.mint(task.id, scope='view', ttl_s=600)[0]}"


@pytest.mark.parametrize("wire", ["ws", "sse", "poll"])
async def test_an_old_browser_shows_a_task_to_its_pictures(
    wire: str, sandbox: Sandbox, relay: Running, page: Page
) -> None:
    """Over every wire, without anything that is younger than the oldest of them."""
    await page.add_init_script(LACKS)
    task = await made(relay, sandbox, "task_start")
    await page.goto(address(relay, relay.url, task).replace("#", f"?wire={wire}#"))
    await expect(page.locator('[data-is="state"]')).to_have_text("Generating")
    assert task.upstream_id is not None

    sandbox.release(task.upstream_id)

    await expect(page.locator('[data-is="state"]')).to_have_text("Succeeded")
    await expect(page.locator("figure img")).not_to_have_js_property("naturalWidth", 0)


async def test_an_old_browser_finds_its_way_behind_a_proxy(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """The race of the wires needs nothing young, either."""
    complaints.append("net::ERR_|WebSocket connection to .* failed")
    await page.add_init_script(LACKS)
    box, task = Middlebox(relay), await made(relay, sandbox)
    box.refused = {"ws", "sse"}
    async with box.open():
        await page.goto(address(relay, box.url, task))

        await expect(page.locator('[data-is="state"]')).to_have_text("Succeeded")
        await page.goto("about:blank")


async def test_a_frame_without_an_origin_says_the_real_reason(
    make_relay: MakeRelay, page: Page, complaints: list[str], sandbox: Sandbox
) -> None:
    """In `<iframe sandbox="allow-scripts">` a page has the origin `null`, which the relay refuses."""
    complaints.append("403|CORS|net::ERR_|WebSocket connection to .* failed|sandbox")
    shop = Shop()
    async with shop.open(), make_relay(frame_ancestors=shop.origin) as relay:
        task = await made(relay, sandbox)
        src = address(relay, relay.url, task, "embed")
        shop.body = f'<iframe sandbox="allow-scripts" src="{src}" width="800" height="600"></iframe>'

        await page.goto(shop.origin)

        lost = page.frame_locator("iframe").locator('[data-is="lost"]')
        await expect(lost).to_contain_text("This page has no origin of its own (“null”)")
        await expect(lost).to_contain_text("allow-same-origin")
        await page.goto("about:blank")
