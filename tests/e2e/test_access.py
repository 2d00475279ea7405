"""Accessibility: axe-core finds no violation on any page in any state, light or dark."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.async_playwright import DEFAULT_OPTIONS, Axe
from playwright.async_api import Page, expect

from relay.app import Running
from tests.e2e import stories

pytestmark = pytest.mark.asyncio(loop_scope="session")

View = Callable[[Running, str], str]

LOOKS = ("light", "dark")
ONLY_COLOURS = DEFAULT_OPTIONS | {"runOnly": ["color-contrast", "link-in-text-block"]}

SHOW_ALL = """async (tasks) => {
  await import("/static/relay.js");
  const place = document.getElementById("place");
  place.replaceChildren(...tasks.map(([task, token]) => {
    const element = document.createElement("relay-task");
    element.setAttribute("task", task);
    element.setAttribute("token", token);
    return element;
  }));
}"""

WIDER = """() => [...document.querySelectorAll("relay-task")]
  .flatMap((element) => [...element.shadowRoot.querySelectorAll("*")])
  .filter((part) => part.checkVisibility() && part.getBoundingClientRect().right > innerWidth + 1)
  .filter((part) => !part.closest(".log, .visually-hidden, .bar"))
  .map((part) => part.outerHTML.slice(0, 120))"""


@pytest.fixture
def complaints() -> list[str]:
    """Allow what axe-core's own checks cause, the broken image of the stories, and the error that the form shows."""
    return ["Applying inline style", "data:image/png;base64,AAAA|ERR_INVALID_URL", "422"]


async def violations(page: Page, look: str = "light") -> list[tuple[str, Any, str]]:
    """
    Return the violations that axe-core finds on the page: rule, element, what to fix.

    A dark page differs from a light one in its colours only, so only the rules about them are checked.
    """
    found = await Axe().run(page, options=ONLY_COLOURS if look == "dark" else DEFAULT_OPTIONS)
    return [
        (rule["id"], node["target"], node["failureSummary"])
        for rule in found.response["violations"]
        for node in rule["nodes"]
    ]


async def show_all(page: Page, relay: Running) -> None:
    """Show every story on one page, each in its element."""
    names = await stories.write(relay)
    tokens = [relay.context.access.mint(name, scope="view cancel", ttl_s=600)[0] for name in names]
    await page.goto(f"{relay.url}/embed/all")
    await page.evaluate(SHOW_ALL, list(zip(names, tokens, strict=True)))
    await expect(page.locator('[data-is="content"]:visible')).to_have_count(len(names))


@pytest.mark.parametrize("look", LOOKS)
async def test_every_state_of_a_task_is_accessible(look: Any, relay: Running, page: Page) -> None:
    """On a desktop and on a phone, where everything fits the screen."""
    await page.emulate_media(color_scheme=look, reduced_motion="reduce")
    await show_all(page, relay)
    for details in await page.locator("details:visible").all():
        await details.evaluate("(details) => (details.open = true)")

    assert await violations(page, look) == []
    await page.set_viewport_size({"width": 360, "height": 740})
    assert await violations(page, look) == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    assert await page.evaluate(WIDER) == []


@pytest.mark.parametrize("look", LOOKS)
async def test_every_page_is_accessible(look: Any, relay: Running, page: Page, view: View) -> None:
    """The dashboard, its sign-in, a task's page, incomplete links, the inspector, the frame and its refusal."""
    await stories.write(relay)
    await page.emulate_media(color_scheme=look, reduced_motion="reduce")
    running = view(relay, "running")
    wrong = view(relay, "queued").replace("/t/queued", "/t/running")
    pages = {
        f"{relay.url}/": "Sign in",
        running: "Sampling",
        f"{relay.url}/t/running": "This link is incomplete",
        wrong: "This task cannot be shown",
        running.replace("/t/", "/inspect/"): "postprocess|measured",
        running.replace("/t/", "/embed/"): "Sampling",
        f"{relay.url}/#key={relay.api_key}": "1 without updates",
    }
    for address, words in pages.items():
        await page.goto("about:blank")
        await page.goto(address)
        await expect(page.get_by_text(words.split("|")[-1]).first).to_be_visible()

        assert await violations(page, look) == [], address


@pytest.mark.parametrize("look", LOOKS)
async def test_the_open_parts_of_the_board_are_accessible(look: Any, relay: Running, page: Page) -> None:
    """A row's menu, a chart's table, a selection, the form with an error and as JSON, and the links on a phone."""
    await stories.write(relay)
    await page.emulate_media(color_scheme=look, reduced_motion="reduce")
    await page.goto(f"{relay.url}/#key={relay.api_key}")
    form = page.locator("#start")
    await expect(form.get_by_label("Prompt")).to_be_visible()
    await form.get_by_role("button", name="Start", exact=True).click()
    await expect(form.locator('[aria-invalid="true"]').first).to_be_visible()
    await page.locator("#charts summary").first.click()
    await page.get_by_role("checkbox", name="Select all tasks shown").check()
    await page.locator("#list .menu").first.click()
    await expect(page.locator(".row-menu")).to_be_visible()

    assert await violations(page, look) == []
    await form.get_by_label("Edit as JSON").check()
    await page.set_viewport_size({"width": 360, "height": 740})
    menu = page.get_by_role("button", name="Menu", exact=True)
    await menu.click()
    await expect(page.get_by_role("link", name="Insights")).to_be_visible()
    assert await violations(page, look) == []
    await page.keyboard.press("Escape")
    await expect(menu).to_be_focused()
    await expect(menu).to_have_attribute("aria-expanded", "false")


async def test_a_dashboard_without_tasks_is_accessible(relay: Running, page: Page) -> None:
    """It says that there are no tasks."""
    await page.goto(f"{relay.url}/#key={relay.api_key}")
    await expect(page.get_by_text("There are no tasks yet.")).to_be_visible()

    assert await violations(page) == []


async def test_only_the_stage_is_announced(relay: Running, page: Page, view: View) -> None:
    """The one live region has the state; the progress bar has the rest."""
    await stories.write(relay, ["running"])
    await page.goto(view(relay, "running"))

    await expect(page.locator("relay-task [aria-live=polite]:not(dialog *)")).to_have_text(["Generating"])
    bar = page.get_by_role("progressbar")
    await expect(bar).to_have_attribute("aria-valuenow", "60")
    await expect(bar).to_have_attribute(
        "aria-valuetext", re.compile(r"60 %, measured, Sampling, step 6 of 10, 1.42 it/s, about [34] min \d\d s left")
    )
