"""The pages around the element: the dashboard's list, a task's page and the inspector."""

import asyncio
import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, expect

from relay.app import Running
from relay.core.events import Event, Log, LogOutput, Source, Stall, State
from relay.sandbox import Sandbox
from relay.tasks.requests import Start
from tests.e2e import stories

pytestmark = pytest.mark.asyncio(loop_scope="session")

View = Callable[[Running, str], str]

IMAGE = "bytedance/text-to-image-seedream-v4"

NOTIFY = """
  window.notified = [];
  window.Notification = class extends EventTarget {
    static permission = "default";
    static async requestPermission() { return (Notification.permission = "granted"); }
    constructor(title) { super(); notified.push(title); }
    close() {}
  };
  Object.defineProperty(document, "visibilityState", { get: () => window.away ? "hidden" : "visible" });
"""
"""Headless Chromium shows no notifications: record them."""


async def board(page: Page, relay: Running) -> None:
    """Open the dashboard with the API key."""
    await page.goto(f"{relay.url}/#key={relay.api_key}")
    await expect(page.get_by_role("heading", name="Tasks")).to_be_visible()


async def test_the_list_has_stuck_tasks_first_and_a_summary(relay: Running, page: Page) -> None:
    """Stuck, running, waiting, and what has ended last."""
    names = ["stalled", "succeeded", "running", "failed", "queued"]
    await stories.write(relay, names)

    await board(page, relay)

    rows = page.locator("#list li")
    await expect(rows.locator(".status")).to_have_text(["Stuck", "Generating", "Queued", "Failed", "Succeeded"])
    await expect(rows.first).to_contain_text(re.compile(r"for [2-4] min \d\d s"))
    await expect(page.locator("#summary")).to_have_text(re.compile("^1 stuck [2-4] min · 1 running · 1 waiting$"))


async def test_a_row_keeps_the_focus_when_it_moves(relay: Running, page: Page) -> None:
    """A task that becomes stuck moves to the top."""
    await stories.write(relay, ["running", "preparing"])
    await board(page, relay)
    rows = page.locator("#list li")
    await expect(rows.locator(".status")).to_have_text(["Preparing", "Generating"])
    await rows.nth(1).get_by_role("link").focus()
    log = (await relay.journal.read("running", after=0, limit=100)).entries

    stall = Stall(silent_s=90, checked="status task_output")
    event = Event(
        type="stall",
        task="running",
        seq=len(log) + 1,
        state=State.RUNNING,
        at=time.time(),
        source=Source.RELAY,
        data=stall,
    )
    await relay.journal.append([event])

    await expect(rows.locator(".status")).to_have_text(["Stuck", "Preparing"])
    await expect(rows.first.get_by_role("link")).to_be_focused()


async def test_the_list_is_filtered_by_state_tag_and_text(relay: Running, page: Page) -> None:
    """By keyboard, too; an empty result is explained."""
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
    await page.get_by_label("Search title, model, tag or id").fill("chat")
    await expect(shown).to_have_count(1)
    await page.get_by_label("Search title, model, tag or id").fill("no such thing")

    await expect(page.get_by_text("No tasks match this filter.")).to_be_visible()


async def test_a_new_task_appears_in_a_list_filtered_by_its_tag(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """Without a click."""
    await stories.write(relay, ["running"])
    await board(page, relay)
    await page.get_by_role("button", name="#spring-campaign", exact=True).click()
    await expect(page.locator("#connection")).to_have_text("live")

    request = Start(model=IMAGE, input={"prompt": "A lake."}, tags=("spring-campaign",))
    await relay.context.tasks.start(request)

    await expect(page.locator('#list li[data-state="succeeded"]')).to_have_count(1)


async def test_a_copied_link_only_allows_viewing(relay: Running, page: Page, context: BrowserContext) -> None:
    """The page opened from the dashboard may stop the task."""
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    await stories.write(relay, ["running"])
    await board(page, relay)
    await page.locator("#list li").get_by_role("link").click()
    await expect(page.get_by_role("button", name="Cancel task")).to_be_visible()

    await page.get_by_role("button", name="Copy link").click()
    await expect(page.locator("#feedback")).to_contain_text("Link copied")
    link = await page.evaluate("navigator.clipboard.readText()")

    assert link != page.url
    other = await context.new_page()
    await other.goto(link)
    await expect(other.locator('[data-is="percent"]')).to_have_text("60 %")
    await expect(other.get_by_role("button", name="Cancel task")).to_be_hidden()


async def test_title_and_icon_show_the_progress(relay: Running, page: Page, view: View) -> None:
    """The icon is a ring that fills."""
    await stories.write(relay, ["running", "succeeded"])
    await page.goto(view(relay, "running"))

    await expect(page).to_have_title("(60 %) bytedance/seedream-v4")
    icon = page.locator('link[rel="icon"]')
    await expect(icon).to_have_attribute("href", re.compile(r"^data:image/svg\+xml,.*stroke-dasharray%3D%2245\.2"))
    await page.goto(view(relay, "succeeded"))
    await expect(page).to_have_title("(Succeeded) bytedance/seedream-v4")
    await expect(icon).to_have_attribute("href", re.compile("stroke-dasharray%3D%2275"))


async def test_a_hidden_page_notifies_at_the_end_if_asked_to(
    sandbox: Sandbox, relay: Running, page: Page, view: View
) -> None:
    """Without the button there is no notification."""
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
    assert await page.evaluate("notified") == [f"Succeeded: {IMAGE}"]
    await expect(button).to_be_hidden()


async def test_the_inspector_shows_the_whole_log_across_a_cut(
    sandbox: Sandbox, relay: Running, page: Page, view: View
) -> None:
    """It shows the cut, and no event is missing or repeated; the log can be saved and filtered."""
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


async def test_the_inspector_searches_events_that_it_does_not_show(relay: Running, page: Page, view: View) -> None:
    """Only the newest rows are in the page; a filter finds the others."""
    lines = [LogOutput(log=Log(stream="stdout", text=f"line {number}:\n")) for number in range(1, 1501)]
    await stories.write_task(relay, "long", [("output", State.RUNNING, line) for line in lines])
    await page.goto(view(relay, "long").replace("/t/", "/inspect/"))
    rows = page.locator('#messages > [data-kind="event"]')
    await expect(rows.last).to_contain_text("line 1500:")
    await expect(page.locator("#counts")).to_contain_text("showing the newest 250 of 150")
    assert await page.locator("#messages > div").count() == 250

    await page.get_by_label("Filter").fill("LINE 7:")

    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("line 7:")
    await page.get_by_label("Filter").fill("")
    await expect(rows.last).to_contain_text("line 1500:")


async def test_two_tabs_end_with_the_same_state(
    sandbox: Sandbox, relay: Running, context: BrowserContext, view: View
) -> None:
    """One of them is opened while the task runs."""
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


async def test_a_task_fits_a_phone(sandbox: Sandbox, relay: Running, page: Page, view: View) -> None:
    """Nothing is wider than the screen, queued or finished."""
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
