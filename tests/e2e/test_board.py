"""The dashboard's list with more tasks than fit on a page."""

import re
import time

import pytest
from playwright.async_api import Page, expect

from relay.app import Running
from relay.core.events import Began, Data, Done, Event, Source, Stall, State, Submit, Submitted
from relay.journal.base import StoredTask
from tests.e2e import stories

pytestmark = pytest.mark.asyncio(loop_scope="session")

Entries = list[tuple[str, State, Data]]

SEARCH = "Search title, model, tag or id"

SUCCEEDED = Done(verdict="succeeded", exit_code=0)
RUNS: Entries = [("submitted", State.QUEUED, Submitted(upstream_id="1")), ("start", State.RUNNING, Began())]
ENDS: Entries = [("done", State.SUCCEEDED, SUCCEEDED)]
STALLS: Entries = [("stall", State.RUNNING, Stall(silent_s=90, checked="status task_start"))]


async def write(relay: Running, task: str, entries: Entries, *, ago_s: float = 0, tag: str = "bulk") -> None:
    """Write a task that was submitted `ago_s` seconds ago."""
    at = time.time() - ago_s
    submit = Submit(model=stories.IMAGE, provider="wiro", tags=(tag,))
    first = Event(type="submit", task=task, seq=1, state=State.SUBMITTING, at=at, source=Source.RELAY, data=submit)
    record = StoredTask(
        id=task, provider="wiro", model=stories.IMAGE, created_at=at, tags=(tag,), input={}, metadata={}
    )
    await relay.journal.create(record, first)
    await append(relay, task, entries, after=1)


async def append(relay: Running, task: str, entries: Entries, *, after: int) -> None:
    """Append events to a task's log after seq `after`."""
    now = time.time()
    events = [
        Event(type=name, task=task, seq=seq, state=state, at=now, source=Source.LIVE, data=data)
        for seq, (name, state, data) in enumerate(entries, start=after + 1)
    ]
    await relay.journal.append(events)


async def board(page: Page, relay: Running) -> None:
    """Open the dashboard with the API key, and wait until it is live."""
    await page.goto(f"{relay.url}/#key={relay.api_key}")
    await expect(page.locator("#connection")).to_have_text("live")


async def test_an_old_stuck_task_is_first(relay: Running, page: Page) -> None:
    """Before 140 newer tasks that have ended; the filter finds it by its tag."""
    await write(relay, "stuck", RUNS + STALLS, ago_s=4000, tag="long-video")
    await write(relay, "quiet", [*RUNS, ("stall", State.RUNNING, confirmed_stall())], ago_s=5000)
    await write(relay, "moves", RUNS, ago_s=6000)
    for number in range(140):
        await write(relay, f"quick{number}", RUNS + ENDS, ago_s=number)
    await board(page, relay)

    rows = page.locator("#list li:visible")
    await expect(rows.nth(0).locator(".state")).to_have_text(re.compile(r"^Stuck\s*for [1-4] min"))
    await expect(rows.nth(1).locator(".state")).to_have_text(re.compile(r"^No updates\s*for [1-4] min"))
    headline = r"^1 stuck [1-4] min · 1 without updates [1-4] min · 1 running$"
    await expect(page.locator("#summary")).to_have_text(re.compile(headline))
    await expect(page.locator("#today")).to_have_text(re.compile(r"^today \d+ done$"))
    await expect(page.get_by_role("button", name="Succeeded 140")).to_be_visible()
    await expect(page).to_have_title("(1 stuck) relay")
    await page.get_by_label(SEARCH).fill("long-vid")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("#long-video")


def confirmed_stall() -> Stall:
    """Return a stall of a task whose record says that it is running."""
    return Stall(silent_s=90, checked="status task_start", confirmed=True)


async def test_every_row_of_230_tasks_is_updated(relay: Running, page: Page) -> None:
    """All of them end while the list is open; the summary counts them."""
    tasks = [f"run{number}" for number in range(230)]
    for number, task in enumerate(tasks):
        await write(relay, task, RUNS, ago_s=number)
    await board(page, relay)
    await expect(page.locator('#list li[data-state="running"]')).to_have_count(230)
    await expect(page.locator("#summary")).to_have_text("230 running")

    for task in tasks:
        await append(relay, task, ENDS, after=3)

    await expect(page.locator('#list li[data-state="succeeded"]')).to_have_count(230)
    await expect(page.locator("#summary")).to_have_text("No open tasks")
    await expect(page.locator("#today")).to_have_text(re.compile(r"^today \d+ done$"))


async def test_a_search_includes_tasks_that_are_not_loaded(relay: Running, page: Page) -> None:
    """The relay is asked once per pause in typing; further results come page by page."""
    for number in range(160):
        await write(relay, f"a{number}", RUNS + ENDS, ago_s=number, tag="shoot" if number >= 130 else "bulk")
    await board(page, relay)
    rows = page.locator("#list li:visible")
    await expect(rows).to_have_count(100)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "q=" in request.url else None)

    await page.get_by_label(SEARCH).press_sequentially("shoot")

    await expect(rows).to_have_count(25)
    await expect(rows.first).to_contain_text("#shoot")
    await expect(page.get_by_role("button", name="All 30", exact=True)).to_be_visible()
    await expect(page.locator("#listed")).to_have_text("25 of 30 tasks")
    await page.get_by_role("button", name="More").click()
    await expect(rows).to_have_count(30)
    await expect(page.get_by_role("button", name="More")).to_be_hidden()
    await expect(page.get_by_role("button", name="All 30", exact=True)).to_be_visible()
    assert {re.search(r"q=(\w*)", url)[1] for url in asked} == {"shoot"}  # type: ignore[index]
    await page.get_by_label(SEARCH).fill("")
    await expect(page.get_by_role("button", name="More")).to_be_visible()


async def test_a_state_filter_includes_tasks_that_are_not_loaded(relay: Running, page: Page) -> None:
    """Thirty old tasks failed; the filter finds them."""
    failed: Entries = [("done", State.FAILED, Done(verdict="failed", exit_code=1))]
    lost: Entries = [("done", State.LOST, Done(verdict="lost"))]
    for number in range(160):
        end = ENDS if number < 130 else failed if number < 159 else lost
        await write(relay, f"a{number}", RUNS + end, ago_s=number)
    await board(page, relay)
    rows = page.locator("#list li:visible")
    await expect(rows).to_have_count(100)

    await page.get_by_role("button", name="Failed 30", exact=True).click()

    await expect(rows).to_have_count(25)
    await expect(page.locator("#listed")).to_have_text("25 of 30 tasks")
    await page.get_by_role("button", name="More").click()
    await expect(rows).to_have_count(30)
    await expect(page.get_by_role("button", name="Failed 30", exact=True)).to_be_visible()


async def test_the_period_filter_hides_older_tasks(relay: Running, page: Page) -> None:
    """Measured by the relay's clock."""
    for name, ago_s in (("now", 60), ("today", 7200), ("before", 200_000)):
        await write(relay, name, RUNS + ENDS, ago_s=ago_s)
    await board(page, relay)
    rows = page.locator("#list li:visible")
    await expect(rows).to_have_count(3)

    for period, count in (("Last hour", 1), ("Last 24 hours", 2), ("Any time", 3)):
        await page.get_by_label("Started").select_option(period)
        await expect(rows).to_have_count(count)


async def test_new_tasks_join_a_matching_search(relay: Running, page: Page) -> None:
    """Without a click; tasks that do not match stay hidden."""
    await write(relay, "first", RUNS, tag="spring sale")
    await board(page, relay)
    rows = page.locator("#list li:visible")
    await page.get_by_label(SEARCH).fill("sale")
    await expect(rows).to_have_count(1)

    await write(relay, "other", RUNS, tag="winter")
    await write(relay, "second", RUNS, tag="sale 2")

    await expect(rows).to_have_count(2)
    await page.get_by_label(SEARCH).fill("")
    await expect(rows).to_have_count(3)


async def test_a_refresh_corrects_the_rows_without_a_live_connection(
    relay: Running, page: Page, complaints: list[str]
) -> None:
    """It finds the open tasks that have ended and those that have started."""
    complaints.append("ERR_FAILED")
    await page.route_web_socket("**/v1/ws", lambda _socket: None)
    await page.route("**/v1/events*", lambda route: route.abort())
    for number in range(150):
        await write(relay, f"run{number}", RUNS, ago_s=1000 + number)
    await page.goto(f"{relay.url}/#key={relay.api_key}")
    await expect(page.locator('#list li[data-state="running"]')).to_have_count(150)

    for number in range(30, 150):
        await append(relay, f"run{number}", ENDS, after=3)
    for number in range(40):
        await write(relay, f"new{number}", RUNS + ENDS, ago_s=number)
    await page.get_by_role("button", name="Refresh").click()

    await expect(page.locator('#list li[data-state="running"]')).to_have_count(30)
    await expect(page.locator('#list li[data-state="succeeded"]')).to_have_count(120 + 25)
    await expect(page.locator("#summary")).to_have_text("30 running")
    await page.get_by_role("button", name="More").click()
    await expect(page.locator('#list li[data-state="succeeded"]')).to_have_count(120 + 40)


@pytest.mark.parametrize("off_s", [600, -600])
async def test_rows_show_the_relays_time(off_s: int, relay: Running, page: Page) -> None:
    """Also in a browser whose clock is ten minutes off, or is set meanwhile."""
    await write(relay, "runs", RUNS, ago_s=200)
    await write(relay, "ended", RUNS + ENDS, ago_s=200)
    await page.add_init_script(f"""
      const real = Date.now.bind(Date);
      window.off_s = {off_s};
      Date.now = () => real() + off_s * 1000;
    """)
    await board(page, relay)
    rows = page.locator("#list li .took")
    await expect(rows.nth(0)).to_have_text(re.compile(r"^[3-7] min \d\d s"))
    await expect(rows.nth(1)).to_have_text(re.compile(r"^3 min \d\d s"))
    await expect(page.locator("#list li .when").nth(1)).to_have_text(re.compile("^(now|.+ ago)$"))

    before = await rows.nth(0).text_content()
    await page.evaluate("off_s -= 5000")

    await expect(rows.nth(0)).not_to_have_text(before or "")
    await expect(rows.nth(0)).to_have_text(re.compile(r"^[3-7] min \d\d s"))


async def test_signing_out_resets_the_filter(relay: Running, page: Page) -> None:
    """After signing in again all tasks are shown."""
    await write(relay, "first", RUNS, tag="spring")
    await board(page, relay)
    await page.get_by_label(SEARCH).fill("nothing fits")
    await expect(page.get_by_text("No tasks match this filter.")).to_be_visible()

    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_label("API key").fill(relay.api_key)
    await page.get_by_role("button", name="Sign in").click()

    await expect(page.locator("#list li:visible")).to_have_count(1)
    await expect(page.get_by_label(SEARCH)).to_have_value("")
