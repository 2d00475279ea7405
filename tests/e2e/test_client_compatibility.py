"""The client in the oldest supported browsers (newer APIs are removed) and in frames without an origin."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from playwright.async_api import Page, expect

from relay.app import Running
from relay.core.snapshot import Snapshot
from relay.sandbox import Sandbox
from tests.e2e.follow import LOST_CONNECTION, release, start_held, token
from tests.e2e.middlebox import Middlebox
from tests.e2e.test_embed import Shop

MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]

pytestmark = pytest.mark.asyncio(loop_scope="session")


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
"""APIs that Chrome 105, Firefox 110 or Safari 16.4 does not have."""


def address(relay: Running, base: str, task: Snapshot, page: str = "t") -> str:
    return f"{base}/{page}/{task.id}#token={token(relay, task)}"


@pytest.mark.parametrize("wire", ["ws", "sse", "poll"])
async def test_an_old_browser_shows_a_task_to_its_result(
    wire: str, sandbox: Sandbox, relay: Running, page: Page
) -> None:
    """Over every transport."""
    await page.add_init_script(LACKS)
    task = await start_held(relay, sandbox)
    await page.goto(address(relay, relay.url, task).replace("#", f"?wire={wire}#"))
    await expect(page.locator('[data-is="state"]')).to_have_text("Generating")

    release(sandbox, task)

    await expect(page.locator('[data-is="state"]')).to_have_text("Succeeded")
    await expect(page.locator("figure img")).not_to_have_js_property("naturalWidth", 0)


async def test_an_old_browser_falls_back_to_polling(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """Choosing the transport uses no newer API, either."""
    complaints.append(LOST_CONNECTION)
    await page.add_init_script(LACKS)
    box, task = Middlebox(relay), await start_held(relay, sandbox)
    box.refused = {"ws", "sse"}
    async with box.open():
        await page.goto(address(relay, box.url, task))
        release(sandbox, task)

        await expect(page.locator('[data-is="state"]')).to_have_text("Succeeded")
        await page.goto("about:blank")


async def test_a_sandboxed_frame_explains_its_missing_origin(
    make_relay: MakeRelay, page: Page, complaints: list[str], sandbox: Sandbox
) -> None:
    """In `<iframe sandbox="allow-scripts">` a page has the origin `null`, which the relay refuses."""
    complaints.append(f"403|CORS|sandbox|{LOST_CONNECTION}")
    shop = Shop()
    async with shop.open(), make_relay(frame_ancestors=shop.origin) as relay:
        task = await start_held(relay, sandbox)
        src = address(relay, relay.url, task, "embed")
        shop.body = f'<iframe sandbox="allow-scripts" src="{src}" width="800" height="600"></iframe>'

        await page.goto(shop.origin)

        lost = page.frame_locator("iframe").locator('[data-is="lost"]')
        await expect(lost).to_contain_text("This page has no origin (“null”)")
        await expect(lost).to_contain_text("allow-same-origin")
        await page.goto("about:blank")
