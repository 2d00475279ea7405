"""The tasks of a tag for their owner, `/b/{tag}`, and the elements that start and list tasks on other sites."""

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from playwright.async_api import Page, expect

from relay.access.start_rules import StartLimits, StartRules
from relay.app import Running
from relay.sandbox import Sandbox
from tests.e2e.follow import part, release, start_held
from tests.e2e.test_embed import Shop

pytestmark = pytest.mark.asyncio(loop_scope="session")

MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]

MODEL = "bytedance/seedream-v4"


async def test_the_page_of_a_tag_lists_its_tasks_and_opens_them(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """No other tasks, and no form for a token that may only view."""
    first = await start_held(relay, sandbox, "user-42")
    await start_held(relay, sandbox, "user-43")
    token, _ = relay.context.access.mint_tag("user-42", scope="view", ttl_s=600)

    await page.goto(f"{relay.url}/b/user-42#token={token}")

    rows = page.locator("relay-board li")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("Generating")
    await expect(page.locator("#start")).to_be_hidden()
    await start_held(relay, sandbox, "user-42")
    await expect(rows).to_have_count(2)
    release(sandbox, first)
    await expect(rows.nth(1)).to_contain_text("Succeeded")
    await expect(rows.nth(1).locator(".tile img")).to_be_visible()

    await rows.nth(1).get_by_role("button").click()
    await expect(part(page, "state")).to_have_text("Succeeded")
    await page.get_by_role("button", name="All tasks").click()
    await expect(rows.nth(1).get_by_role("button")).to_be_focused()


async def test_a_form_on_another_site_starts_a_task_and_shows_it(
    sandbox: Sandbox, make_relay: MakeRelay, page: Page, complaints: list[str]
) -> None:
    """What is wrong is shown at its input."""
    complaints.append("422")
    shop = Shop()
    async with shop.open(), make_relay(allowed_origins=(shop.origin,)) as relay:
        shop.body = (
            f'<script type="module" src="{relay.url}/static/elements.js"></script>'
            f'<relay-form model="{MODEL}" token="{relay.api_key}" theme="dark"></relay-form>'
        )
        await page.goto(shop.origin)
        form = page.locator("relay-form")
        await form.get_by_label("Prompt").fill("A lake")
        await form.get_by_label("Maximum number").fill("many")
        await form.get_by_role("button", name="Start", exact=True).click()
        await expect(form.locator("[aria-invalid]")).to_have_count(1)

        await form.get_by_label("Maximum number").fill("1")
        await form.get_by_role("button", name="Start", exact=True).click()

        await expect(form.locator('relay-task [data-is="state"]')).to_have_text("Succeeded")
        assert len(sandbox.tasks) == 1
        await page.goto("about:blank")


async def test_a_form_starts_tasks_with_a_fresh_token(sandbox: Sandbox, make_relay: MakeRelay, page: Page) -> None:
    """A visitor may fill in the form for longer than the first token lives."""
    shop = Shop()
    async with shop.open(), make_relay(allowed_origins=(shop.origin,)) as relay:
        mint = relay.context.access.mint_tag
        tokens = [mint("user-42", scope="start view", ttl_s=ttl_s)[0] for ttl_s in (100, 9000)]
        shop.body = (
            f'<relay-form model="{MODEL}"></relay-form><script>const tokens = {json.dumps(tokens)};'
            'document.querySelector("relay-form").getToken = async () => tokens.shift();</script>'
            f'<script type="module" src="{relay.url}/static/elements.js"></script>'
        )
        sent: list[str] = []
        page.on("request", lambda request: sent.append(f"{request.method} {request.headers.get('authorization')}"))
        await page.clock.install()
        await page.goto(shop.origin)
        form = page.locator("relay-form")
        await form.get_by_label("Prompt").fill("A lake")

        await page.clock.run_for(99_000)
        await form.get_by_role("button", name="Start", exact=True).click()

        await expect(form.locator('relay-task [data-is="state"]')).to_be_attached()
        assert f"POST Bearer {tokens[1]}" in sent
        assert len(sandbox.tasks) == 1
        await page.goto("about:blank")


async def test_a_start_token_starts_a_task_from_the_page_of_its_tag(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """With a model that it allows and within its limits; a script with the same token gets the limit as a problem."""
    complaints.append("429")
    rules = StartRules(models=[MODEL], limits=StartLimits(per_hour=1))
    token, _ = relay.context.access.mint_tag("user-42", scope="start view cancel", ttl_s=600, rules=rules)

    await page.goto(f"{relay.url}/b/user-42#token={token}")
    await page.locator("relay-form").get_by_label("Prompt").fill("A lake")
    await expect(page.locator("#choice")).to_be_hidden()
    await page.locator("relay-form").get_by_role("button", name="Start", exact=True).click()

    await expect(page.locator("relay-board li")).to_contain_text("Succeeded")
    limited = await page.evaluate(
        """async ([model, token]) => {
          const { run } = await import("../static/relay.js");
          return run(model, { prompt: "A lake" }, { token }).catch(({ name, code }) => [name, code]);
        }""",
        [MODEL, token],
    )
    assert limited == ["Problem", "rate_limited"]
    assert len(sandbox.tasks) == 1
    await page.goto("about:blank")
