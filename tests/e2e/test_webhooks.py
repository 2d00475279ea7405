"""The page of webhooks: it shows what has become of each, and sends one again."""

import pytest
from playwright.async_api import Page, expect

from relay.tasks.requests import Start
from tests.conftest import MakeRelay
from tests.e2e.test_access import violations
from tests.webhooks.receiver import SECRET, Receiver, answer

pytestmark = pytest.mark.asyncio(loop_scope="session")

IMAGE = "bytedance/text-to-image-seedream-v4"


@pytest.fixture
def complaints() -> list[str]:
    """Allow what axe-core's own checks cause."""
    return ["Applying inline style"]


async def test_a_failed_webhook_is_shown_and_sent_now(make_relay: MakeRelay, page: Page) -> None:
    """The operator comes from the dashboard, which is signed in in the same tab."""
    async with Receiver() as receiver:
        receiver.next.append(answer(503, Retry_After="3600"))
        async with make_relay(webhook_urls=(receiver.url,), webhook_secrets=(SECRET,)) as relay:
            await page.goto(f"{relay.url}/webhooks")
            await expect(page.get_by_text("Sign in on the dashboard")).to_be_visible()
            started = await relay.context.tasks.start(Start(model=IMAGE, input={"prompt": "a cat"}))
            await receiver.until(lambda: bool(receiver.attempts))
            await page.goto(relay.login_link())
            await page.get_by_role("link", name="Webhooks").click()

            await page.get_by_label("Status").select_option("Pending")
            row = page.locator("#list li").filter(has_text="task.started")
            await expect(row).to_contain_text("HTTP 503")
            await expect(row).to_contain_text("1 attempt · again in")
            await expect(row).to_contain_text(receiver.url)
            for look in ("light", "dark"):
                await page.emulate_media(color_scheme=look)
                assert await violations(page, look) == []
            await row.get_by_role("button", name="Send now").click()
            await expect(row).to_be_focused()
            task = started.snapshot.id
            await receiver.until(lambda: receiver.of(task)[-1:] == ["task.done"])

            await page.get_by_label("Status").select_option("Delivered")
            await expect(page.locator("#list li").first).to_contain_text("task.done")
            await page.locator("#list li").first.get_by_role("button", name="Send again").click()
            await receiver.until(lambda: 2 in list(receiver.attempts.values())[1:])
            await page.get_by_label("Status").select_option("Failed")
            await expect(page.get_by_text("There are no webhooks with this status.")).to_be_visible()
            await page.goto("about:blank")
