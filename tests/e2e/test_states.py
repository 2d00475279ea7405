"""How a page shows answers, silence, phases and times."""

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.async_api import Page, expect

from relay.app import Running
from relay.core.events import Output
from tests.e2e import stories
from tests.e2e.follow import BLANK, part

pytestmark = pytest.mark.asyncio(loop_scope="session")

View = Callable[[Running, str], str]

SHOW = """async ([state, offset_s]) => {
  const { TaskView } = await import("/static/src/element/task-view.js");
  const host = document.createElement("div");
  document.body.replaceChildren(host);
  const token = "e30.eyJzY29wZSI6InZpZXcifQ.x"; // the scope is `view`
  const view = new TaskView(host.attachShadow({ mode: "open" }), { base: "/", task: "x", token });
  const update = {
    state, connection: "live", reason: "", fault: null, clockOffset_s: 0, offlineSince: null, heardAt: null,
    missing: 0, wire: "ws",
  };
  window.show = (changes, later_s = 0) =>
    view.render({ ...update, state: { ...state, ...changes } }, offset_s + later_s);
  show({});
}"""

ROW = """async ([task, now]) => {
  const { TaskRow } = await import("/static/src/board/task-row.js");
  const row = new TaskRow(task);
  const list = document.createElement("ul");
  list.append(row.element);
  document.body.replaceChildren(list);
  row.render(task, now);
  window.row = row;
}"""


def running(**more: Any) -> dict[str, Any]:
    """Return the snapshot of a task at relay time 1000 s that was created at 900 s."""
    state = {"id": "x", "provider": "wiro", "model": stories.VIDEO, "tags": [], "upstream_id": "1", "state": "running"}
    times = {"epoch": "e", "seq": 9, "created_at": 900.0, "updated_at": 1000.0, "ended_at": None, "stages": []}
    rest: dict[str, Any] = {
        "progress": None,
        "log": [],
        "log_dropped": 0,
        "segments": [],
        "outputs": [],
        "hold": None,
        "cancel": None,
    }
    return {**state, **times, **rest, "stall": None, "done": None, **more}


def progress(overall: float, **phase: Any) -> dict[str, Any]:
    label = phase.get("label")
    rest = {"basis": "measured", "step": None, "steps": None, "label": label, "speed": None, "unit": None, "eta": None}
    return {"percent": overall, **rest, **({"phase": phase} if phase else {})}


async def show(page: Page, relay: Running, state: dict[str, Any]) -> None:
    """Show a state on an otherwise empty page, whose policy allows the style sheets of the sources."""
    await page.goto(relay.url + BLANK)
    await page.evaluate(SHOW, [state, 1000.0])


async def test_an_answer_from_the_record_is_shown_like_a_streamed_one(relay: Running, page: Page, view: View) -> None:
    """The answer is open, the thinking is folded, function calls show what was called."""
    content = {
        "prompt": "q",
        "segments": [
            {"type": "thinking", "text": "Let me think."},
            {"type": "function_call", "name": "get_weather", "arguments": '{"city":"Rome"}'},
            {"type": "custom_tool_call", "name": "shell", "input": "ls"},
            {"type": "answer", "text": "<answer>Quantum computing uses qubits.</answer>"},
        ],
        "finishreason": "stop",
    }
    await stories.write_succeeded(relay, "answered", Output(content_type="raw", content=content))

    await page.goto(view(relay, "answered"))

    answer = part(page, "segments")
    await expect(answer.locator('[data-kind="answer"]')).to_have_text("Quantum computing uses qubits.")
    await expect(answer.get_by_text("Let me think.")).to_be_hidden()
    await expect(answer.get_by_text("Function call: get_weather")).to_be_visible()
    await expect(answer.get_by_text('{"city":"Rome"}')).to_be_visible()
    await expect(answer.get_by_text("Tool call: shell")).to_be_visible()
    await expect(answer).not_to_contain_text("finishreason")
    await expect(part(page, "outputs")).to_be_hidden()


async def test_a_silent_task_that_is_confirmed_is_not_called_stuck(relay: Running, page: Page) -> None:
    """ "No news" if the record confirms that it runs, "Stuck" if not, nothing while it is queued."""
    stall = {"silent_s": 180.0, "checked": "status task_start"}
    await show(page, relay, running(stall=stall | {"confirmed": True}))
    notice = part(page, "notices")
    await expect(notice).to_contain_text("No updates for 3 min 00 s")
    await expect(notice).not_to_contain_text("Stuck")
    await page.evaluate("show({}, 65)")
    await expect(notice).to_contain_text("No updates for 4 min 05 s")

    for unconfirmed in (stall | {"confirmed": False}, stall):
        await show(page, relay, running(stall=unconfirmed))
        await expect(notice).to_contain_text("Stuck for 3 min 00 s")
        await expect(notice).not_to_contain_text("No updates")

    await show(page, relay, running(stall=stall, state="queued"))
    await expect(part(page, "state")).to_have_text("Queued")
    await expect(notice).to_be_empty()


@pytest.mark.parametrize(
    ("stall", "words"),
    [({"confirmed": True}, "No updates"), ({"confirmed": False}, "Stuck")],
)
async def test_a_row_shows_how_long_a_task_has_been_silent(
    stall: dict[str, Any], words: str, relay: Running, page: Page
) -> None:
    """It adds the time since the relay reported the stall, every second."""
    task = running(stall={"silent_s": 60.0, "checked": "", **stall})
    await page.goto(f"{relay.url}/embed/x")
    await page.evaluate(ROW, [task, 1000.0])

    await page.evaluate("row.tick(1125)")

    await expect(page.locator(".status")).to_have_text(words)
    await expect(page.locator(".when")).to_have_text("for 3 min 05 s")


async def test_the_bar_restarts_with_a_new_phase(relay: Running, page: Page) -> None:
    """It shows the second phase even if the overall percent is 100."""
    await show(page, relay, running(progress=progress(100, index=0, label="Sampling", percent=100.0)))
    bar = part(page, "bar")
    await expect(bar).to_have_attribute("aria-valuenow", "100")

    upscaling = progress(100, index=1, label="Upscaling", percent=30.0)
    await page.evaluate("progress => show({ progress })", upscaling)

    await expect(bar).to_have_attribute("aria-valuenow", "30")
    await expect(bar).to_have_attribute("aria-valuetext", "30 %, measured, 2. Upscaling")
    await expect(part(page, "percent")).to_have_text("30 %")
    await expect(part(page, "words")).to_have_text("2. Upscaling")
    assert await part(page, "fill").evaluate("fill => fill.style.getPropertyValue('--relay-percent')") == "30%"

    await page.evaluate("progress => show({ progress })", progress(60, index=1, label="Upscaling", percent=20.0))
    await expect(bar).to_have_attribute("aria-valuenow", "30")
    part_of_whole = progress(65, index=2, label="Generate 2/2", percent=30.0)
    await page.evaluate("progress => show({ progress })", part_of_whole)
    await expect(part(page, "words")).to_have_text("3. Generate 2/2 · 65 % of the task")
    await page.evaluate(ROW, [running(progress=upscaling), 1000.0])
    await expect(page.locator(".took")).to_contain_text("30 % · ")


async def test_the_eta_is_that_of_the_whole_task(relay: Running, page: Page) -> None:
    """It is not that of one of nine pictures. It counts down, never below zero, and then the task is late."""
    phase = {"low_s": 1, "high_s": 1, "n": None, "basis": "upstream"}
    eta = {"p50_s": 25.2, "p90_s": 31.4, "basis": "blend", "samples": 20, "at": 1000.0}
    state = running(progress={**progress(42), "eta": phase}, eta=eta)
    await show(page, relay, state)
    await expect(part(page, "eta")).to_have_text("about 25 s left")

    await page.evaluate("show({}, 25)")
    await expect(part(page, "eta")).to_have_text("up to 6 s left")

    await page.evaluate("show({}, 33)")
    await expect(part(page, "eta")).to_have_text("longer than usual")


async def test_no_duration_is_negative(relay: Running, page: Page) -> None:
    """The platform's clock may be ahead: a stage then takes 0 s."""
    stages = [{"type": kind, "at": at, "source": "live"} for kind, at in (("queue", 1500.0), ("start", 1400.0))]
    await show(page, relay, running(created_at=1600.0, stages=stages))
    await part(page, "steps-fold").locator("summary").click()

    text = await page.locator("article").inner_text()

    assert "0.0 s" in text
    assert not re.search(r"[-\u2212]\d", text)


async def test_a_task_of_another_day_shows_the_date(relay: Running, page: Page, view: View) -> None:
    """On the card of a task that began three days ago."""
    ago = time.time() - 3 * 86_400
    await stories.write_task(relay, "old", [], at=ago)
    day = time.strftime("%b %-d", time.localtime(ago))

    await page.goto(view(relay, "old"))

    await expect(part(page, "facts")).to_contain_text(re.compile(rf"started {day}"))


@pytest.mark.parametrize("off_s", [600, -600, 86_400])
async def test_times_do_not_depend_on_the_browsers_clock(off_s: int, relay: Running, page: Page, view: View) -> None:
    """The clock may be minutes or a day off, and may be set while the page is open."""
    await stories.write(relay, ["unmeasured"])
    await page.add_init_script(f"""
      const real = Date.now.bind(Date);
      window.off_s = {off_s};
      Date.now = () => real() + off_s * 1000;
    """)

    await page.goto(view(relay, "unmeasured"))

    elapsed = part(page, "elapsed")
    await expect(elapsed).to_have_text(re.compile(r"^(\d\d s|[1-4] min \d\d s)$"))
    before = await elapsed.text_content()
    await page.evaluate("off_s -= 5000")
    await expect(elapsed).not_to_have_text(before or "")
    await expect(elapsed).to_have_text(re.compile(r"^(\d\d s|[1-4] min \d\d s)$"))
