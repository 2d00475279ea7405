"""The dashboard: who signs in sees the tasks, starts one, and gets to its page."""

import re

import pytest
from playwright.async_api import Page, expect

from relay.app import Running
from relay.sandbox import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="session")

HTTP_ERROR = "Failed to load resource: the server responded with a status of "
"""Chromium writes every refused request into the console: here they are meant to be refused."""


async def sign_in(page: Page, relay: Running) -> None:
    await page.goto(relay.url)
    await page.get_by_label("API key").fill(relay.api_key)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="Start a task")).to_be_visible()


async def test_a_task_is_started_by_the_form_and_watched_on_its_page(
    sandbox: Sandbox, relay: Running, page: Page
) -> None:
    """From the key to the finished picture: sign in, start, see the row live, follow the link, see the result."""
    sandbox.next_run(hold_at="task_queue")
    await sign_in(page, relay)
    await expect(page.get_by_text("There are no tasks yet.")).to_be_visible()
    await page.get_by_role("combobox").select_option("bytedance/seedream-v4")
    await page.get_by_label("Prompt", exact=True).fill("A cat asleep on a stack of books.")
    await page.get_by_role("button", name="Start").click()
    row = page.locator("#list li")
    await expect(row).to_have_count(1)
    await expect(row.locator(".model")).to_have_text("bytedance/seedream-v4")
    await expect(row.locator(".status")).to_have_text("Queued")
    assert await page.evaluate("location.hash") == ""

    (upstream,) = sandbox.tasks
    sandbox.release(upstream)

    await expect(row.locator(".status")).to_have_text("Succeeded")
    await page.get_by_role("link", name="Watch it").click()
    await expect(page).to_have_url(re.compile(r"/t/[a-z0-9]+#token="))
    await expect(page.locator('[data-is="state"]')).to_have_text("Succeeded")
    await expect(page.locator("figure img")).not_to_have_js_property("naturalWidth", 0)
    (run,) = sandbox.runs
    assert ("prompt", "A cat asleep on a stack of books.") in [(field.name, field.value) for field in run.fields]


async def test_a_row_leads_to_the_page_of_its_task(relay: Running, page: Page) -> None:
    """Choosing a row mints a token for it and opens the task with it."""
    await sign_in(page, relay)
    await page.get_by_label("Prompt", exact=True).fill("A lake.")
    await page.get_by_role("button", name="Start").click()

    await page.locator("#list li").get_by_role("button").click()

    await expect(page).to_have_url(re.compile(r"/t/[a-z0-9]+#token="))
    await expect(page.locator('[data-is="state"]')).to_have_text("Succeeded")


async def test_a_key_in_the_address_signs_in_and_leaves_the_address(relay: Running, page: Page) -> None:
    """The link that the relay prints works, and no key is left where others might read it; signing out forgets it."""
    await page.goto(f"{relay.url}/#key={relay.api_key}")

    await expect(page.get_by_role("heading", name="Start a task")).to_be_visible()
    assert relay.api_key not in page.url
    await page.get_by_role("button", name="Sign out").click()
    await page.reload()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


async def test_a_wrong_key_is_told_in_words(relay: Running, page: Page, complaints: list[str]) -> None:
    """Whoever signs in with a wrong key is asked again, and told why."""
    complaints.append(f"{HTTP_ERROR}401")
    await page.goto(relay.url)
    await page.get_by_label("API key").fill("not the key of this relay")
    await page.get_by_role("button", name="Sign in").click()

    await expect(page.locator("#problem")).to_contain_text("neither an API key nor a valid token")
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


async def test_a_refusal_of_the_platform_is_told_in_its_words(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """An empty account says so beside the form, and the form stays as it was."""
    complaints.append(f"{HTTP_ERROR}402")
    sandbox.next_run(run_error="97:Insufficient balance")
    await sign_in(page, relay)
    await page.get_by_label("Prompt", exact=True).fill("A lake.")
    await page.get_by_role("button", name="Start").click()

    problem = page.locator("#start .problem")
    await expect(problem).to_contain_text("The platform said: Insufficient balance (code 97)")
    await expect(page.get_by_label("Prompt", exact=True)).to_have_value("A lake.")
    await expect(page.get_by_role("button", name="Start")).to_be_enabled()


async def test_an_input_that_is_no_json_is_told_before_anything_is_sent(
    sandbox: Sandbox, relay: Running, page: Page
) -> None:
    """A slip in the JSON costs nothing."""
    await sign_in(page, relay)
    await page.get_by_label("Input, as JSON").fill('{"prompt": ')
    await page.get_by_role("button", name="Start").click()

    await expect(page.locator("#start .problem")).to_have_text("The input is no JSON object")
    assert sandbox.runs == ()


async def test_a_model_that_the_relay_cannot_read_is_named(relay: Running, page: Page, complaints: list[str]) -> None:
    """A problem answer's fields stand beside the form, each by its name."""
    complaints.append(f"{HTTP_ERROR}4")
    await sign_in(page, relay)
    await page.get_by_role("combobox").select_option("another model…")
    await page.get_by_label("Name of the model").fill("nobody/nothing")
    await page.get_by_role("button", name="Start").click()

    await expect(page.locator("#start .problem")).to_contain_text("slug-owner-project-not-exist")
