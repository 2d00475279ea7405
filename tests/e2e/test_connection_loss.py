"""A connection that falls silent, the wait for the next attempt, and links that end, each in a page without a task."""

import re
import time
from typing import Any

import pytest
from playwright.async_api import Page, expect

from relay.app import Running
from tests.e2e.follow import BLANK, part, until
from tests.e2e.test_states import running

pytestmark = pytest.mark.asyncio(loop_scope="session")

CONNECT = """async () => {
  const { Connection } = await import("/static/src/client/connection.js");
  window.opened = 0;
  window.log = [];
  window.connection = new Connection({
    open: () => {
      opened += 1;
      return { subscribe() {}, unsubscribe() {}, renew() {}, probe: () => false, close() {} };
    },
    onChange: () => log.push(connection.state),
    onLost: () => {},
    onRefuse: () => {},
  });
  connection.start();
  connection.markAlive();
}"""
"""Open a connection over a wire that never says anything."""

SHOW = """async ([state, offset_s, token]) => {
  const { TaskView } = await import("/static/src/element/task-view.js");
  const host = document.createElement("div");
  document.body.replaceChildren(host);
  window.retries = 0;
  const access = { base: "/", task: "x", token };
  const view = new TaskView(host.attachShadow({ mode: "open" }), access, () => (retries += 1));
  const update = {
    state, connection: "live", reason: "", fault: null, clockOffset_s: 0, offlineSince: null, retryAt: null,
    heardAt: null, missing: 0, wire: "ws",
  };
  window.show = (changes, later_s = 0) => view.render({ ...update, ...changes }, offset_s + later_s);
  show({});
}"""

COMPACT = """async ([updates, now, token]) => {
  const { compactLine, lineText } = await import("/static/src/element/compact-line.js");
  const update = { connection: "live", reason: "", fault: null, clockOffset_s: 0, offlineSince: null, retryAt: null };
  return updates.map((changes) => {
    const whole = { ...update, ...changes };
    return lineText(compactLine(whole, now, token), whole.state?.done != null);
  });
}"""

FOCUSED = "document.activeElement?.shadowRoot?.activeElement?.dataset.is"


async def test_a_silent_wire_is_replaced_after_20_s(relay: Running, page: Page) -> None:
    """The relay sends something every 15 s. The next attempt is announced, and can be made at once."""
    await page.clock.install()
    await page.goto(relay.url + BLANK)
    await page.evaluate(CONNECT)

    await page.clock.run_for(19_000)
    assert await page.evaluate("[connection.state, connection.retryAt]") == ["live", None]
    await page.evaluate("connection.markAlive()")
    await page.clock.run_for(19_900)
    assert await page.evaluate("connection.state") == "live"
    await page.clock.run_for(200)
    state, wait_s, count = await page.evaluate("[connection.state, connection.retryAt - Date.now() / 1000, opened]")
    assert (state, count) in (("offline", 1), ("connecting", 2))  # the wait is between 0 and 0.5 s
    assert state == "connecting" or wait_s <= 0.5

    await page.evaluate("connection.drop('cut'); connection.drop('cut'); connection.resync();")
    assert await page.evaluate("[connection.state, connection.retryAt]") == ["connecting", None]


async def test_a_lost_connection_counts_down_and_can_be_retried(relay: Running, page: Page) -> None:
    """The focus stays in the card when the button disappears, and the countdown does not take it away."""
    token, _ = relay.context.access.mint("x", scope="view", ttl_s=60)
    await page.goto(relay.url + BLANK)
    await page.evaluate(SHOW, [running(), 1000.0, token])
    lost = {"connection": "offline", "reason": "the relay cannot be reached", "offlineSince": 1000, "retryAt": 1011}
    notice, retry = part(page, "lost"), page.get_by_role("button", name="Try now")
    await page.evaluate("([lost]) => show(lost, 1)", [lost])
    await expect(notice).to_be_hidden()
    await page.evaluate("([lost]) => show(lost, 5)", [lost])
    await expect(notice).to_contain_text("The relay cannot be reached. The task continues in the meantime.")
    await expect(notice).to_contain_text("Reconnecting in 6 s")

    await retry.focus()
    await retry.press("Enter")
    assert await page.evaluate("retries") == 1
    await page.evaluate("([lost]) => show({ ...lost, connection: 'connecting', retryAt: null }, 6)", [lost])
    await expect(notice).to_contain_text("Reconnecting…")
    await expect(retry).to_be_focused()
    await page.evaluate("show({}, 7)")
    await expect(notice).to_be_hidden()
    assert await page.evaluate(FOCUSED) == "card"


async def test_a_link_that_ends_is_explained_in_neutral_words(relay: Running, page: Page) -> None:
    """The state stays, in grey, with the time. Any other refusal says why."""
    token, expires_at = relay.context.access.mint("x", scope="view", ttl_s=60)
    await page.goto(relay.url + BLANK)
    await page.evaluate(SHOW, [running(), expires_at, token])
    ended = {"connection": "refused", "fault": "token_expired", "reason": "The token has expired"}
    notice, pill = part(page, "lost"), part(page, "state")
    color = "element => getComputedStyle(element).color"
    before = await pill.evaluate(color)

    await page.evaluate("([ended]) => show(ended, 5)", [ended])

    at = time.strftime("%-I:%M", time.localtime(expires_at))
    said = re.compile(rf"^This link expired at .*{at}.*\.\s+The page shows the state at that time\.$")
    await expect(notice).to_have_text(said, use_inner_text=True)
    await expect(pill).to_have_text("Generating")
    assert await pill.evaluate(color) != before
    for name in ("connection", "actions"):
        await expect(part(page, name)).to_be_hidden()
    await page.evaluate("([ended]) => show({ ...ended, state: null }, 5)", [ended])
    await expect(notice).to_contain_text("Ask for a new link to see the task.")
    await page.evaluate("([ended]) => show({ ...ended, fault: 'not_found', reason: 'no such task' }, 5)", [ended])
    await expect(notice).to_contain_text("This task cannot be shown")
    await expect(notice).to_contain_text("No such task.")


async def test_the_compact_form_says_everything_in_one_line(relay: Running, page: Page) -> None:
    """The time left is that of the whole task, where it is known."""
    await page.goto(relay.url + BLANK)
    percent = {"percent": 57.9, "basis": "measured"}
    working = running(progress=percent)
    eta = {"p50_s": 35, "p90_s": 37, "basis": "history", "samples": 9, "at": 990}
    done = {"verdict": "succeeded", "cost": {"amount": 0.027, "unit": "usd"}, "billed": True, "error": None}
    failure = done | {"verdict": "failed", "error": {"code": 1, "message": "CUDA out of memory"}}
    lost = {"state": working, "connection": "offline", "offlineSince": 990, "retryAt": 1004}
    cases: list[tuple[dict[str, Any], str]] = [
        ({"state": None, "connection": "connecting"}, "Loading…"),
        ({"state": working | {"eta": eta}}, "57 % Generating · about 25 s left"),
        ({"state": working}, "57 % Generating · 1 min 40 s"),
        ({"state": running(state="queued")}, "Queued · 1 min 40 s"),
        ({"state": running(state="held", hold={"reason": "", "position": 3})}, "Waiting · position 3 in the queue"),
        ({"state": running(stall={"silent_s": 60, "checked": ""})}, "Generating · stuck for 1 min 00 s"),
        ({"state": running(state="succeeded", ended_at=909.0, done=done)}, "Succeeded · 9.0 s · $0.027"),
        ({"state": running(state="failed", ended_at=909.0, done=failure)}, "Failed · CUDA out of memory"),
        (lost, "57 % Generating · Reconnecting in 4 s"),
        (lost | {"connection": "connecting", "retryAt": None}, "57 % Generating · Reconnecting…"),
        (
            {"state": working, "connection": "refused", "fault": "token_expired"},
            "57 % Generating · This link has expired",
        ),
        (
            {"state": None, "connection": "refused", "reason": "no such task"},
            "This task cannot be shown · no such task",
        ),
    ]

    lines = await page.evaluate(COMPACT, [[changes for changes, _ in cases], 1000.0, "a.b.c"])

    assert lines == [expected for _, expected in cases]


async def test_the_board_signals_when_all_awaited_tasks_have_ended(relay: Running, page: Page) -> None:
    """Those that were open when the button was pressed; a deleted one counts as ended. Nothing is asked before."""
    await page.goto(relay.url + BLANK)
    await page.evaluate("""async () => {
      const { BoardNotice } = await import("/static/src/dashboard/board-notice.js");
      window.asked = 0;
      window.shown = [];
      window.Notification = class extends EventTarget {
        static permission = "default";
        static async requestPermission() {
          asked += 1;
          return (this.permission = "granted");
        }
        constructor(title, { body }) {
          super();
          shown.push(`${title} ${body}`);
        }
      };
      Object.defineProperty(document, "visibilityState", { get: () => "hidden" });
      const button = document.createElement("button");
      document.body.append(button);
      const STATES = { waiting: "queued" };
      window.groups = { a: "running", b: "waiting", c: "succeeded" };
      window.notice = new BoardNotice(button, {
        tasks: () => Object.entries(groups).map(([id, group]) => ({ id, state: STATES[group] ?? group, stall: null })),
        groupOf: (task) => groups[task] ?? null,
        say: (text) => (window.said = text),
      });
      notice.render();
    }""")
    button = page.get_by_role("button")
    await expect(button).to_have_text("Notify me when all 2 are done")
    assert await page.evaluate("asked") == 0
    await button.click()
    await expect(button).to_have_text("Waiting for 2")
    await expect(button).to_have_attribute("aria-pressed", "true")
    await until(page, "window.said === ''")

    await page.evaluate("groups.d = 'running'; groups.a = 'succeeded'; notice.render()")
    assert await page.evaluate("shown") == []
    await page.evaluate("groups.b = 'failed'; notice.render()")

    assert await page.evaluate("[asked, ...shown]") == [1, "All 2 tasks have ended 1 succeeded, 1 did not."]
    await expect(button).to_have_text("Notify me when done")
    await expect(button).to_have_attribute("aria-pressed", "false")
