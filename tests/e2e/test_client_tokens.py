"""A page's `getToken` that hangs, fails or returns something other than a token."""

from typing import Any

import pytest
from playwright.async_api import Page

from relay.app import Running
from relay.sandbox import Sandbox
from relay.web.live.sse import ping
from tests.e2e.follow import BLANK, SOCKET_LIVE, advance, start_held, token, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


FOLLOW = """async ({ answers, ...options }) => {
  const { RelayClient } = await import("/static/relay.js");
  window.asked = 0;
  window.late = [];
  const getToken = () => {
    const answer = answers[Math.min(asked++, answers.length - 1)];
    if (answer === "never") return new Promise((resolve) => late.push(resolve));
    if (answer === "throws") throw new Error("the shop's server failed");
    if (answer === "rejects") return Promise.reject(new Error("the shop's server failed"));
    if (answer === "undefined") return undefined;
    return answer;
  };
  window.client = new RelayClient({ ...options, getToken });
  window.updates = [];
  client.addEventListener("update", ({ detail }) => updates.push(detail));
}"""


async def test_an_unanswered_call_is_repeated(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """After 10 s, with the reason in the update; the second answer is used."""
    task = await start_held(relay, sandbox)
    await page.clock.install()
    await page.goto(relay.url + BLANK)

    await page.evaluate(FOLLOW, {"task": task.id, "answers": ["never", token(relay, task)]})
    await until(page, "asked === 1")
    await page.clock.run_for(9_000)
    assert await page.evaluate("asked") == 1

    await advance(page, "asked === 2")
    await until(page, SOCKET_LIVE)
    reasons: list[Any] = await page.evaluate("updates.map(({ reason }) => reason)")
    assert "getToken has not answered within 10 s; trying again" in reasons


async def test_a_late_token_is_used(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """The first token counts, whichever call it answers."""
    task = await start_held(relay, sandbox)
    await page.clock.install()
    await page.goto(relay.url + BLANK)
    await page.evaluate(FOLLOW, {"task": task.id, "answers": ["never"]})
    await advance(page, "asked === 3")

    await page.evaluate("late[0](undefined)")  # not a token: ignored
    await page.evaluate("(token) => late[1](token)", token(relay, task))

    # Not just live over the event stream: the clock would pass the time limit of a socket that is still opening.
    await until(page, SOCKET_LIVE)
    await page.clock.run_for(15_000)  # less than the silence after which a connection counts as lost
    assert await page.evaluate("asked") == 3


async def test_an_unanswered_renewal_keeps_the_connection(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """It stays live with the old token, and the next one replaces it."""
    task = await start_held(relay, sandbox)
    await page.clock.install()
    await page.goto(relay.url + BLANK)
    short = relay.context.access.mint(task.id, scope="view", ttl_s=25)[0]
    answers = ["never", token(relay, task)]
    await page.evaluate(FOLLOW, {"task": task.id, "token": short, "answers": answers})
    await until(page, SOCKET_LIVE)
    before = await page.evaluate("updates.length")

    for passed_ms in (15_000, 6_000):
        await page.clock.fast_forward(passed_ms)
        for viewer in relay.context.hub._viewers:
            viewer.send(ping(0.0))
    await advance(page, "asked === 2")

    await until(page, "client.connection === 'live'")
    assert await page.evaluate(f"updates.slice({before}).every(({{ connection }}) => connection !== 'offline')")


@pytest.mark.parametrize("failure", ["throws", "rejects"])
async def test_a_failed_call_is_repeated(
    failure: str, sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """An exception may be temporary, whether it is thrown or rejects the promise."""
    complaints.append("getToken failed")
    task = await start_held(relay, sandbox)
    await page.goto(relay.url + BLANK)

    await page.evaluate(FOLLOW, {"task": task.id, "answers": [failure, token(relay, task)]})

    await until(page, "client.connection === 'live'")
    assert await page.evaluate("updates[0].reason") == "getToken failed; trying again"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("undefined", "getToken returned no token"),
        (None, "getToken returned no token"),
        ("", "getToken returned no token"),
        (42, "getToken must return a string, but returned a value of type number"),
        ({"token": "…"}, "getToken must return a string, but returned a value of type object"),
    ],
)
async def test_a_value_other_than_a_token_is_refused_with_the_reason(
    answer: Any, reason: str, sandbox: Sandbox, relay: Running, page: Page
) -> None:
    """It names a forgotten `return` and the type of an unexpected value."""
    task = await start_held(relay, sandbox)
    await page.goto(relay.url + BLANK)

    await page.evaluate(FOLLOW, {"task": task.id, "answers": [answer]})

    await until(page, "client.connection === 'refused'")
    assert await page.evaluate("[client.reason, updates.at(-1).fault]") == [reason, "unauthorized"]
