"""What a reader sees of a task on the board, and does with it: open, select, stop, run again, filter and share."""

import re

import pytest
from playwright.async_api import BrowserContext, Page, expect

from relay.app import Running
from relay.core.events import Cost, Done, Fault, Output, Results, State
from relay.sandbox import Sandbox
from relay.tasks.requests import Start
from tests.e2e import stories
from tests.e2e.test_board import ENDS, RUNS, STALLS, append, board, write

pytestmark = pytest.mark.asyncio(loop_scope="session")

IMAGE = "bytedance/text-to-image-seedream-v4"


async def started(relay: Running, prompt: str, title: str | None = None) -> str:
    """Start a task on the simulated platform."""
    request = Start(model=IMAGE, input={"prompt": prompt}, tags=("shop",), title=title)
    return (await relay.context.tasks.start(request)).snapshot.id


async def test_a_row_shows_what_was_asked_and_what_came(relay: Running, page: Page, context: BrowserContext) -> None:
    """Prompt or title, picture, time, cost and error; its link opens in another tab."""
    fault = Fault(code=1, message="Traceback:\nRuntimeError: CUDA out of memory.\n")
    failed = Done(verdict="failed", exit_code=1, billed=False, error=fault)
    await stories.write_task(relay, "failed", [("done", State.FAILED, failed)])
    picture = Output(content_type="image/png", name="a.png", size=9, url=stories.picture("a1", 60, 40))
    done = Done(verdict="succeeded", exit_code=0, billed=True, cost=Cost(amount=0.027, unit="usd"))
    results = Results(outputs=(picture, picture))
    await stories.write_task(
        relay, "pictures", [("postprocess_end", State.FINISHING, results), ("done", State.SUCCEEDED, done)]
    )
    await started(relay, "A red fox in the rain,\nmacro lens")
    await board(page, relay)
    fox = page.locator("#list li", has_text="A red fox in the rain, macro lens")
    await expect(fox.locator(".status")).to_have_text("Succeeded")
    await expect(fox).to_contain_text("text-to-image-seedream-v4 · wiro · #shop")
    await expect(fox.get_by_role("img", name=re.compile("^Waited .+, prepared .+, ran "))).to_be_visible()
    await expect(page.locator('[data-task="failed"] .error')).to_have_text(" · RuntimeError: CUDA out of memory.")
    await expect(page.locator('[data-task="failed"] .cost')).to_have_text("not billed")
    pictures = page.locator('[data-task="pictures"]')
    await expect(pictures.locator(".cost")).to_have_text("$0.027")
    await expect(pictures.locator(".count")).to_have_text("2")
    await expect(pictures.locator("img")).not_to_have_js_property("naturalWidth", 0)

    link = page.get_by_role("link", name="A red fox in the rain, macro lens")
    await link.focus()
    await expect(link).to_have_attribute("href", re.compile(r"^t/[a-z0-9]+#token=|/t/[a-z0-9]+#token="))
    async with context.expect_page() as opening:
        await link.click(modifiers=["Control"])
    other = await opening.value
    await expect(other.locator('[data-is="state"]')).to_have_text("Succeeded")


async def test_a_task_that_starts_later_has_its_title_or_prompt(relay: Running, page: Page) -> None:
    """The connection brings neither prompt nor result for a new row: they are read."""
    await write(relay, "first", RUNS)
    await board(page, relay)

    await started(relay, "A lake at dawn")
    await started(relay, "A hill", title="Cover of issue 7")

    await expect(page.get_by_role("link", name="A lake at dawn")).to_be_visible()
    await expect(page.get_by_role("link", name="Cover of issue 7")).to_be_visible()
    await page.get_by_role("searchbox").fill("cover")
    await expect(page.locator("#list li:visible")).to_have_count(1)


async def test_several_tasks_are_stopped_by_keyboard(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """Shift and the arrow keys select, the button asks, the result is announced, and the focus stays in the list."""
    for number in range(3):
        sandbox.next_run(hold_at="task_start")
        await started(relay, f"A lake {number}")
    await board(page, relay)
    await expect(page.locator('#list li[data-state="running"]')).to_have_count(3)

    await page.locator("#list li input").first.focus()
    await page.keyboard.press("Shift+ArrowDown")
    await expect(page.locator("#listed")).to_have_text("2 selected")
    await page.get_by_role("button", name="Stop", exact=True).press("Enter")
    await expect(page.locator("#bulk")).to_contain_text("Stop 2 tasks?")
    await expect(page.get_by_role("button", name="Keep running")).to_be_focused()
    await page.get_by_role("button", name="Yes, stop", exact=True).press("Enter")

    await expect(page.locator("#bulk-result")).to_have_text("2 tasks asked to stop.")
    await expect(page.get_by_label("Select all tasks shown")).to_be_focused()
    await expect(page.locator('#list li[data-state="canceled"]')).to_have_count(2)
    await expect(page.locator("#announcement")).to_have_text(re.compile("^Canceled: "))


async def test_a_range_of_tasks_is_run_again(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """What could not be run again is reported with the reason; a filter drops what it hides from the selection."""
    for number in range(2):
        await started(relay, f"A lake {number}")
    await write(relay, "attached", RUNS + ENDS, tag="other")
    await board(page, relay)
    rows = page.locator("#list li:visible")
    await expect(page.locator('#list li[data-state="succeeded"]')).to_have_count(3)
    runs = len(sandbox.runs)

    await page.locator("#list li input").nth(0).click()
    await page.locator("#list li input").nth(2).click(modifiers=["Shift"])
    await expect(page.locator("#listed")).to_have_text("3 selected")
    await page.get_by_role("button", name="#shop", exact=True).click()
    await expect(page.locator("#listed")).to_have_text("2 selected")
    await page.get_by_role("button", name="Run again", exact=True).click()
    await page.get_by_role("button", name="Yes, run again", exact=True).click()

    await expect(page.locator("#bulk-result")).to_have_text("2 tasks started again.")
    await expect(rows).to_have_count(4)
    assert len(sandbox.runs) == runs + 2


async def test_the_menu_of_a_row_fills_the_form(relay: Running, page: Page) -> None:
    """Escape closes it and returns the focus; on a phone it fits the screen."""
    await page.set_viewport_size({"width": 360, "height": 740})
    await started(relay, "A lake at dawn")
    await board(page, relay)
    menu = page.get_by_role("button", name="Actions for A lake at dawn")
    await menu.press("Enter")
    await expect(page.get_by_role("button", name="Edit and run")).to_be_focused()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    await page.keyboard.press("Escape")
    await expect(menu).to_be_focused()

    await menu.click()
    await page.get_by_role("button", name="Edit and run").click()

    await expect(page.get_by_label("Prompt", exact=True)).to_have_value("A lake at dawn")
    await expect(page.get_by_label("Tags", exact=True)).to_have_value("shop")
    await expect(page.get_by_role("button", name="Edit and run")).to_be_hidden()


async def test_a_filter_is_in_the_address(relay: Running, page: Page, context: BrowserContext) -> None:
    """A link shares it, and Back undoes it."""
    failed = Done(verdict="failed", exit_code=1)
    await write(relay, "bad", [*RUNS, ("done", State.FAILED, failed)], tag="spring")
    await write(relay, "good", RUNS + ENDS)
    await board(page, relay)
    rows = page.locator("#list li:visible")
    await page.get_by_role("button", name="Failed 1").click()
    await expect(rows).to_have_count(1)
    await page.get_by_role("searchbox").press_sequentially("spring")
    await expect(page).to_have_url(re.compile(r"\?group=failed&q=spring$"))

    other = await context.new_page()
    await other.goto(f"{page.url}#key={relay.api_key}")
    await expect(other.locator("#list li:visible")).to_have_count(1)
    await expect(other.get_by_role("searchbox")).to_have_value("spring")
    await page.go_back()
    await expect(page.get_by_role("searchbox")).to_have_value("")
    await page.go_back()
    await expect(rows).to_have_count(2)
    await page.get_by_role("searchbox").fill("no such thing")
    await page.get_by_role("button", name="Show all tasks").click()
    await expect(rows).to_have_count(2)
    await expect(page.get_by_role("searchbox")).to_be_focused()


async def test_charts_have_tables(relay: Running, page: Page) -> None:
    """And a description; they follow what ends."""
    costs = (Cost(amount=0.5, unit="usd"), Cost(amount=3, unit="credits"))
    for number, cost in enumerate(costs):
        done = Done(verdict="succeeded", exit_code=0, billed=True, cost=cost)
        await write(relay, f"a{number}", [*RUNS, ("done", State.SUCCEEDED, done)], ago_s=20)
    await write(relay, "runs", RUNS, ago_s=20)
    await board(page, relay)
    cost_chart = page.locator('[data-chart="cost"]')
    await expect(cost_chart.locator("strong")).to_have_text("$0.50 + 3 credits")
    throughput = page.locator('[data-chart="throughput"]')
    await expect(throughput.locator("strong")).to_have_text("100 % succeeded")

    await append(relay, "runs", [("done", State.FAILED, Done(verdict="failed", exit_code=1))], after=3)

    await expect(throughput.locator("strong")).to_have_text("67 % succeeded")
    await expect(throughput.locator("svg")).to_have_attribute("aria-label", re.compile("2 succeeded, 1 failed"))
    await page.locator('[data-chart="times"]').get_by_text("Table").click()
    await expect(page.locator('[data-chart="times"] tbody tr')).to_have_count(3)
    await expect(page.locator('[data-chart="times"] tbody tr').first).to_contain_text("failed")


async def test_the_skip_link_and_a_stuck_task_are_announced(relay: Running, page: Page) -> None:
    """The first Tab reaches the skip link, and it moves the focus to the tasks."""
    await write(relay, "runs", RUNS)
    await board(page, relay)
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the tasks")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Tasks")).to_be_focused()

    await append(relay, "runs", STALLS, after=3)

    await expect(page.locator("#announcement")).to_have_text(f"Stuck: {stories.IMAGE}.")
