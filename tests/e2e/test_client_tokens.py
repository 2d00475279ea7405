"""Where tokens come from: a page's `getToken` that hangs, fails, or brings what is no token."""

import asyncio
from typing import Any

import pytest
from playwright.async_api import Page

from relay.app import Running
from relay.core.snapshot import Snapshot
from relay.sandbox import Sandbox
from relay.tasks.requests import Start

pytestmark = pytest.mark.asyncio(loop_scope="session")

IMAGE = "bytedance/text-to-image-seedream-v4"

FOLLOW = """async ({ answers, ...options }) => {
  const { RelayClient } = await import("/static/relay.js");
  window.asked = 0;
  window.late = [];
  const getToken = () => {
    const answer = answers[Math.min(asked++, answers.length - 1)];
    if (answer === "never") return new Promise((resolve) => late.push(resolve));
    if (answer === "throws") throw new Error("the shop's server is out of order");
    if (answer === "rejects") return Promise.reject(new Error("the shop's server is out of order"));
    if (answer === "undefined") return undefined;
    return answer;
  };
  window.client = new RelayClient({ ...options, getToken });
  window.updates = [];
  client.addEventListener("update", ({ detail }) => updates.push(detail));
}"""


async def until(page: Page, condition: str) -> None:
    """Wait until a condition holds in the page."""
    async with asyncio.timeout(30):
        while not await page.evaluate(condition):  # noqa: ASYNC110 -- what is waited for is in another process
            await asyncio.sleep(0.01)


async def advance(page: Page, condition: str) -> None:
    """Move the page's clock on until a condition holds."""
    async with asyncio.timeout(30):
        while not await page.evaluate(condition):
            await page.clock.run_for(500)


async def held(relay: Running, sandbox: Sandbox) -> Snapshot:
    """Start a task that waits where it has just started."""
    sandbox.next_run(hold_at="task_start")
    return (await relay.context.tasks.start(Start(model=IMAGE, input={"prompt": "A lake."}))).snapshot


def token(relay: Running, task: Snapshot) -> str:
    return relay.context.access.mint(task.id, scope="view", ttl_s=6_000)[0]


async def test_a_question_that_is_never_answered_is_asked_again(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """After ten seconds, with the reason in sight; the answer of the second time counts."""
    task = await held(relay, sandbox)
    await page.clock.install()
    await page.goto(relay.url)

    await page.evaluate(FOLLOW, {"task": task.id, "answers": ["never", token(relay, task)]})
    await until(page, "asked === 1")
    await page.clock.run_for(9_000)
    assert await page.evaluate("asked") == 1

    await advance(page, "client.connection === 'live'")
    assert await page.evaluate("asked") == 2
    reasons: list[Any] = await page.evaluate("updates.map(({ reason }) => reason)")
    assert "getToken has not answered within 10 s; trying again" in reasons


async def test_a_late_answer_is_welcome(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """While it is asked again and again, the first answer counts, whichever question it belongs to."""
    task = await held(relay, sandbox)
    await page.clock.install()
    await page.goto(relay.url)
    await page.evaluate(FOLLOW, {"task": task.id, "answers": ["never"]})
    await advance(page, "asked === 3")

    await page.evaluate("late[0](undefined)")  # a late answer that is none changes nothing
    await page.evaluate("(token) => late[1](token)", token(relay, task))

    await until(page, "client.connection === 'live'")
    await page.clock.run_for(60_000)
    assert await page.evaluate("asked") == 3


async def test_a_renewal_that_hangs_disturbs_nothing_that_is_live(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """The connection stands with the token that it has, and goes on with the next one."""
    task = await held(relay, sandbox)
    await page.clock.install()
    await page.goto(relay.url)
    short = relay.context.access.mint(task.id, scope="view", ttl_s=25)[0]
    answers = ["never", token(relay, task)]
    await page.evaluate(FOLLOW, {"task": task.id, "token": short, "answers": answers})
    await until(page, "client.connection === 'live' && client.wire === 'ws'")
    before = await page.evaluate("updates.length")

    await page.clock.fast_forward(21_000)
    await advance(page, "asked === 2")

    await until(page, "client.connection === 'live'")
    assert await page.evaluate(f"updates.slice({before}).every(({{ connection }}) => connection !== 'offline')")


@pytest.mark.parametrize("failure", ["throws", "rejects"])
async def test_a_question_that_fails_is_asked_again(
    failure: str, sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """At once or later: an exception is a fault that may pass."""
    complaints.append("getToken failed")
    task = await held(relay, sandbox)
    await page.goto(relay.url)

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
async def test_what_is_no_token_is_refused_with_the_reason(
    answer: Any, reason: str, sandbox: Sandbox, relay: Running, page: Page
) -> None:
    """Whoever forgot `return`, or returned the whole answer of the server, reads so."""
    task = await held(relay, sandbox)
    await page.goto(relay.url)

    await page.evaluate(FOLLOW, {"task": task.id, "answers": [answer]})

    await until(page, "client.connection === 'refused'")
    assert await page.evaluate("[client.reason, updates.at(-1).fault]") == [reason, "unauthorized"]
