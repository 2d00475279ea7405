"""The pages around the element: the board, a task's page, the inspector."""

import asyncio
import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, expect

from relay.app import Running
from relay.core.events import Event, Source, Stall, State
from relay.sandbox import Sandbox
from relay.tasks.requests import Start
from tests.e2e import stories

pytestmark = pytest.mark.asyncio(loop_scope="session")

View = Callable[[Running, str], str]

IMAGE = "bytedance/text-to-image-seedream-v4"

NOTIFY = """
  window.told = [];
  window.Notification = class extends EventTarget {
    static permission = "default";
    static async requestPermission() { return (Notification.permission = "granted"); }
    constructor(title) { super(); told.push(title); }
    close() {}
  };
  Object.defineProperty(document, "visibilityState", { get: () => window.away ? "hidden" : "visible" });
"""
"""Chromium without a head shows no notifications: what would be shown is kept."""


async def board(page: Page, relay: Running) -> None:
    """Open the board with the relay's key."""
    await page.goto(f"{relay.url}/#key={relay.api_key}")
    await expect(page.get_by_role("heading", name="Tasks")).to_be_visible()


async def test_the_board_puts_what_is_stuck_first_and_says_how_all_stand(relay: Running, page: Page) -> None:
    """Stuck, then what moves, then what has ended; each newest first; the sum of it in words."""
    names = ["stalled", "succeeded", "running", "failed", "queued"]
    await stories.write(relay, names)

    await board(page, relay)

    rows = page.locator("#list li")
    await expect(rows.locator(".status")).to_have_text(["44 %", "Queued", "60 %", "Failed", "Succeeded"])
    await expect(rows.first).to_contain_text(re.compile(r"Stuck for 2 min \d\d s"))
    await expect(page.locator("#summary")).to_have_text("2 of 5 done, 1 failed, 1 stuck")


async def test_a_row_that_gets_stuck_goes_up_and_the_focus_stays_in_it(relay: Running, page: Page) -> None:
    """The order follows the news, and takes nobody's place away."""
    await stories.write(relay, ["running", "queued"])
    await board(page, relay)
    rows = page.locator("#list li")
    await expect(rows.locator(".status")).to_have_text(["Queued", "60 %"])
    await rows.nth(1).get_by_role("button").focus()
    told = (await relay.context.journal.read("running", after=0, limit=100)).entries

    stall = Stall(silent_s=90, checked="the upstream says task_output")
    event = Event(
        type="stall",
        task="running",
        seq=len(told) + 1,
        state=State.RUNNING,
        at=time.time(),
        source=Source.RELAY,
        data=stall,
    )
    await relay.context.journal.append([event])

    await expect(rows.locator(".status")).to_have_text(["60 %", "Queued"])
    await expect(rows.first.get_by_role("button")).to_be_focused()


async def test_the_board_is_filtered_by_state_tag_and_words(relay: Running, page: Page) -> None:
    """Chips and a field, by keyboard too; what fits nothing says so."""
    await stories.write(relay, ["running", "failed", "streaming", "succeeded"])
    await board(page, relay)
    shown = page.locator("#list li:visible")
    await expect(shown).to_have_count(4)

    await page.get_by_role("button", name="Failed 1").press("Enter")
    await expect(shown).to_have_count(1)
    await expect(page.get_by_role("button", name="Failed 1")).to_be_focused()
    await page.get_by_role("button", name="All 4").click()
    await page.get_by_role("button", name="#retry", exact=True).click()
    await expect(shown).to_have_count(2)
    await page.get_by_role("button", name="#retry", exact=True).click()
    await page.get_by_label("Filter by model, tag or id").fill("chat")
    await expect(shown).to_have_count(1)
    await page.get_by_label("Filter by model, tag or id").fill("no such thing")

    await expect(page.get_by_text("No tasks match this filter.")).to_be_visible()


async def test_what_joins_a_tag_that_is_looked_at_appears_by_itself(
    sandbox: Sandbox, relay: Running, page: Page
) -> None:
    """A task that somebody else starts is there without a press."""
    await stories.write(relay, ["running"])
    await board(page, relay)
    await page.get_by_role("button", name="#spring-campaign", exact=True).click()
    await expect(page.locator("#connection")).to_have_text("live")

    wish = Start(model=IMAGE, input={"prompt": "A lake."}, tags=("spring-campaign",))
    await relay.context.tasks.start(wish)

    await expect(page.locator('#list li[data-state="succeeded"]')).to_have_count(1)


async def test_the_owners_link_has_power_and_the_copied_one_has_not(
    relay: Running, page: Page, context: BrowserContext
) -> None:
    """From the board one may stop a task; the link that one gives away only shows it."""
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    await stories.write(relay, ["running"])
    await board(page, relay)
    await page.locator("#list li").get_by_role("button").click()
    await expect(page.get_by_role("button", name="Cancel task")).to_be_visible()

    await page.get_by_role("button", name="Copy link").click()
    await expect(page.locator("#feedback")).to_contain_text("Link copied")
    link = await page.evaluate("navigator.clipboard.readText()")

    assert link != page.url
    other = await context.new_page()
    await other.goto(link)
    await expect(other.locator('[data-is="percent"]')).to_have_text("60 %")
    await expect(other.get_by_role("button", name="Cancel task")).to_be_hidden()


async def test_the_tab_says_how_far_it_is(relay: Running, page: Page, view: View) -> None:
    """Title and icon carry the percent; the icon is a ring that fills."""
    await stories.write(relay, ["running", "succeeded"])
    await page.goto(view(relay, "running"))

    await expect(page).to_have_title("(60 %) bytedance/seedream-v4")
    icon = page.locator('link[rel="icon"]')
    await expect(icon).to_have_attribute("href", re.compile(r"^data:image/svg\+xml,.*stroke-dasharray%3D%2245\.2"))
    await page.goto(view(relay, "succeeded"))
    await expect(page).to_have_title("(Succeeded) bytedance/seedream-v4")
    await expect(icon).to_have_attribute("href", re.compile("stroke-dasharray%3D%2275"))


async def test_the_end_is_told_to_who_asked_and_looks_away(
    sandbox: Sandbox, relay: Running, page: Page, view: View
) -> None:
    """No notification unasked; one at the end for who asked."""
    await page.add_init_script(NOTIFY)
    sandbox.next_run(hold_at="task_queue")
    task = (await relay.context.tasks.start(Start(model=IMAGE, input={"prompt": "A lake."}))).snapshot
    await page.goto(view(relay, task.id))
    button = page.get_by_role("button", name="Notify me")
    await expect(button).to_have_attribute("aria-pressed", "false")
    await button.click()
    await expect(button).to_have_attribute("aria-pressed", "true")
    await page.evaluate("window.away = true")

    assert task.upstream_id is not None
    sandbox.release(task.upstream_id)

    await expect(page.locator('[data-is="state"]')).to_have_text("Succeeded")
    assert await page.evaluate("told") == [f"Succeeded: {IMAGE}"]
    await expect(button).to_be_hidden()


async def test_the_inspector_has_the_whole_log_and_recovers_when_it_is_cut(
    sandbox: Sandbox, relay: Running, page: Page, view: View
) -> None:
    """History first, then what comes; a cut shows as one, and no event is missing or twice after it."""
    sandbox.next_run(hold_at="task_start")
    task = (await relay.context.tasks.start(Start(model=IMAGE, input={"prompt": "A lake."}))).snapshot
    assert task.upstream_id is not None
    await page.goto(view(relay, task.id).replace("/t/", "/inspect/"))
    rows = page.locator("#messages > div")
    await expect(rows.first).to_contain_text("submit")
    await expect(page.locator("#connection")).to_have_text("live")

    await page.get_by_role("button", name="Drop the connection").click()
    await expect(page.locator('#messages [data-kind="connection"]', has_text="offline")).to_have_count(1)
    sandbox.release(task.upstream_id)
    await expect(page.locator("#state")).to_have_text("Succeeded")

    await expect(page.locator('#messages [data-kind="message"]', has_text="resumed")).to_have_count(1)
    seqs = [int(seq) for seq in await page.locator('#messages [data-kind="event"] .seq').all_text_contents()]
    assert seqs == list(range(1, len(seqs) + 1))
    async with page.expect_download() as saving:
        await page.get_by_role("button", name="Save as .jsonl").click()
    saved = await (await saving.value).path()
    text = await asyncio.to_thread(Path(saved).read_text, encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["seq"] for line in lines if "source" in line] == seqs
    await page.get_by_label("Filter").fill('"stream":"stderr"')
    for shown in await page.locator("#messages > div:visible").all():
        await expect(shown).to_contain_text("stderr")


async def test_a_second_tab_shows_the_same(
    sandbox: Sandbox, relay: Running, context: BrowserContext, view: View
) -> None:
    """Two tabs, one of them opened in the middle, agree to the last."""
    sandbox.next_run(hold_at="task_start")
    task = (await relay.context.tasks.start(Start(model=IMAGE, input={"prompt": "A lake."}))).snapshot
    assert task.upstream_id is not None
    first, second = await context.new_page(), await context.new_page()
    await first.goto(view(relay, task.id))
    await expect(first.locator('[data-is="state"]')).to_have_text("Generating")
    await second.goto(view(relay, task.id))
    await expect(second.locator('[data-is="state"]')).to_have_text("Generating")

    sandbox.release(task.upstream_id)

    for page in (first, second):
        await expect(page.locator('[data-is="state"]')).to_have_text("Succeeded")
    states = [await page.evaluate("document.querySelector('relay-task').state") for page in (first, second)]
    assert states[0] == states[1]


async def test_a_phone_shows_all_of_a_task(sandbox: Sandbox, relay: Running, page: Page, view: View) -> None:
    """Nothing is wider than the screen, from the queue to the result."""
    await page.set_viewport_size({"width": 360, "height": 740})
    sandbox.next_run(hold_at="task_queue")
    task = (await relay.context.tasks.start(Start(model=IMAGE, input={"prompt": "A lake.", "maxImages": 2}))).snapshot
    assert task.upstream_id is not None
    await page.goto(view(relay, task.id))
    await expect(page.locator('[data-is="state"]')).to_have_text("Queued")
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360

    sandbox.release(task.upstream_id)

    await expect(page.locator("figure img")).to_have_count(2)
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
