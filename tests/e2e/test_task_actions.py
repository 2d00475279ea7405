"""A task is run again, and deleted, on its page by a reader who is signed in."""

import asyncio
import re

import pytest
from playwright.async_api import Page, Route, expect

from relay.app import Running
from relay.sandbox import Sandbox
from relay.tasks.requests import Start
from tests.e2e.follow import release, start_held

pytestmark = pytest.mark.asyncio(loop_scope="session")

IMAGE = "bytedance/text-to-image-seedream-v4"


async def test_a_signed_in_reader_runs_a_task_again_and_deletes_it(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """Both ask for confirmation; the list of another tab forgets the task at once."""
    complaints.append(r"410 \(Gone\).*/outputs")  # a list may request a thumbnail just when its task is deleted
    started = await relay.context.tasks.start(Start(model=IMAGE, input={"prompt": "a cat"}))
    await page.goto(f"{relay.url}/#key={relay.api_key}")
    rows = page.locator("#list li")
    await rows.first.get_by_role("link").click()
    await page.get_by_role("button", name="Run again").click()
    await expect(page.locator("#actions")).to_contain_text("Last time: $")
    await page.get_by_role("button", name="Yes, run it again").click()
    await expect(page).not_to_have_url(re.compile(started.snapshot.id))
    await expect(page.get_by_role("button", name="Delete")).to_be_visible()
    assert len(sandbox.runs) == 2

    other = await page.context.new_page()
    await other.goto(f"{relay.url}/#key={relay.api_key}")
    await expect(other.locator("#list li")).to_have_count(2)
    await page.get_by_role("button", name="Delete").click()
    await page.get_by_role("button", name="Yes, delete it").click()
    await expect(rows).to_have_count(1)
    await expect(other.locator("#list li")).to_have_count(1)


async def test_a_task_that_ends_while_its_input_is_loaded_can_be_deleted(
    sandbox: Sandbox, relay: Running, page: Page
) -> None:
    """The page does not wait for it, and the late response brings back no older state."""
    task = await start_held(relay, sandbox)
    loading: asyncio.Future[Route] = asyncio.get_running_loop().create_future()
    await page.route(f"**/{task.id}/input", lambda route: loading.set_result(route))
    await page.goto(f"{relay.url}/#key={relay.api_key}")
    await page.locator("#list li").first.get_by_role("link").click()
    route = await loading

    release(sandbox, task)
    await expect(page.get_by_role("button", name="Delete")).to_be_visible()
    await route.continue_()

    await expect(page.locator("#asked")).to_contain_text("A lake.")
    await expect(page.get_by_role("button", name="Delete")).to_be_visible()
