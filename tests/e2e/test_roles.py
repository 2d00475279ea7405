"""The dashboard with an API key that may only read."""

import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import aiohttp
import pytest
from playwright.async_api import Page, expect

from relay.app import Running

pytestmark = pytest.mark.asyncio(loop_scope="session")

ADMIN, READ = "the-key-of-an-operator-here", "the-key-of-a-support-person"
TASK = {
    "model": "bytedance/text-to-image-seedream-v4",
    "input": {"prompt": "A lake. [sandbox: hold_at=task_queue]"},
}


@pytest.fixture
def complaints() -> list[str]:
    """Allow the refusal of a token that could cancel."""
    return ["403"]


async def test_a_reader_opens_a_task_and_cannot_cancel_it(
    make_relay: Callable[..., AbstractAsyncContextManager[Running]], page: Page
) -> None:
    """The token of the tab can view and read the input, as the key can."""
    async with make_relay(api_keys=(f"ops={ADMIN}", f"support={READ}:read")) as relay:
        headers = {"Authorization": f"Bearer {ADMIN}"}
        async with (
            aiohttp.ClientSession(relay.url, headers=headers) as client,
            client.post("/v1/tasks", json=TASK) as answer,
        ):
            assert answer.status == 201
        await page.goto(f"{relay.url}/#key={READ}")
        await page.locator("#list li").get_by_role("link").first.click()
        await expect(page).to_have_url(re.compile(r"/t/[a-z0-9]+#token="))
        await expect(page.locator('[data-is="state"]')).to_have_text("Queued")
        await expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
        tokens = await page.evaluate("Object.entries(sessionStorage).filter(([name]) => name.includes('relay.token.'))")
        (kept,) = tokens
        grant = relay.context.access.check(kept[1])
        assert grant.scopes == {"view", "input"}
        await page.goto("about:blank")
