"""The page of insights: what has become of the tasks of each model, as charts, tables and links."""

import re
import time

import pytest
from playwright.async_api import Page, expect

from relay.app import Running
from relay.core.events import Done, Event, Source, State, Submit
from relay.core.history.tally import DAY_S, Counter, Tally
from relay.journal.base import StoredTask
from tests.e2e.test_access import violations

pytestmark = pytest.mark.asyncio(loop_scope="session")

IMAGE = "bytedance/seedream-v4"
VIDEO = "bytedance/image-to-video-seedance-v1"


@pytest.fixture
def complaints() -> list[str]:
    """Allow what axe-core's own checks cause."""
    return ["Applying inline style"]


async def end(relay: Running, task: str, model: str, run_s: float, *, days_ago: int = 0, unit: str = "usd") -> None:
    """Write a task that ran this long; without a time, one that failed."""
    at = time.time() - days_ago * DAY_S
    verdict, state = ("succeeded", State.SUCCEEDED) if run_s else ("failed", State.FAILED)
    counter = Counter()
    counter.add("queue", 2.0)
    counter.increase(f"verdict:{verdict}", 1)
    if run_s:
        counter.add("running", run_s)
        counter.increase(f"sum:{unit}", 0.5)
    tally = Tally(
        provider="wiro",
        model=model,
        inputs="",
        day=int(at // DAY_S),
        counts=counter.counts,
        slowest=((run_s, task),) if run_s else (),
        failed=() if run_s else ((at, task),),
    )
    submit = Submit(model=model, provider="wiro", tags=(), title=f"The {task}")
    record = StoredTask(id=task, provider="wiro", model=model, created_at=at, input={}, metadata={})
    done = Done(verdict=verdict)  # type: ignore[arg-type]
    first = Event(type="submit", task=task, seq=1, state=State.SUBMITTING, at=at, source=Source.RELAY, data=submit)
    last = Event(type="done", task=task, seq=2, state=state, at=at, source=Source.RELAY, data=done)
    await relay.journal.create(record, first)
    await relay.journal.append([last], tally=tally)


async def test_insights_compare_models_and_lead_to_their_tasks(relay: Running, page: Page) -> None:
    """The address keeps the filter; the figures are in tables too; everything is accessible in both themes."""
    await page.goto(f"{relay.url}/insights")
    await expect(page.get_by_text("Sign in on the dashboard")).to_be_visible()
    await page.goto(relay.login_link())
    await page.get_by_role("link", name="Insights").click()
    await expect(page.get_by_text("this page shows for each model how long tasks wait")).to_be_visible()
    assert await violations(page) == []

    for task, model, run_s, days_ago in [
        ("lake", IMAGE, 10.0, 0),
        ("fox", IMAGE, 30.0, 2),
        ("boat", IMAGE, 0.0, 0),
        ("skier", VIDEO, 90.0, 0),
        ("gone", VIDEO, 120.0, 0),
    ]:
        await end(relay, task, model, run_s, days_ago=days_ago, unit="credits" if model == VIDEO else "usd")
    await relay.journal.deletions.delete(["gone"], at=time.time(), upstream=False)
    await page.get_by_label("Period").select_option("Last 7 days")
    await expect(page).to_have_url(re.compile(r"\?days=7$"))
    await expect(page.locator("#summary")).to_have_text("5 tasks · 80 % succeeded · $1.00 + 1 credit")
    image, video = page.get_by_role("row", name=IMAGE), page.get_by_role("row", name=VIDEO)
    await expect(image.get_by_role("cell")).to_have_text(["3", "66 %", "2.0 s · 2.0 s", re.compile("s"), "$1.00"])
    await expect(video.get_by_role("cell").last).to_have_text("1 credit")
    await page.locator(
        'a[href="t/gone"]'
    ).scroll_into_view_if_needed()  # what a task is about is read once it is in view
    await expect(page.get_by_text("gone (deleted)")).to_be_visible()
    for look in ("light", "dark"):
        await page.emulate_media(color_scheme=look)
        assert await violations(page, look) == []
    await page.set_viewport_size({"width": 360, "height": 740})
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360

    await page.get_by_role("link", name=IMAGE).click()
    await expect(page).to_have_url(re.compile(rf"\?days=7&provider=wiro&model={IMAGE.replace('/', '%2F')}$"))
    await expect(page.get_by_role("heading", name="Insights")).to_be_focused()
    await expect(page.locator("#summary")).to_have_text("3 tasks · 66 % succeeded · $1.00")
    await page.locator('[data-chart="results"]').get_by_text("Table").click()
    days = page.locator('[data-chart="results"] tbody tr')
    await expect(days).to_have_count(2)
    await expect(days.first).to_contain_text("50 %")
    await page.go_back()
    await expect(page.locator("#summary")).to_have_text(re.compile("^5 tasks"))
    await page.locator('a[href="t/boat"]').scroll_into_view_if_needed()
    await page.get_by_role("link", name="The boat").click()
    await expect(page).to_have_url(re.compile(r"/t/boat#token="))
