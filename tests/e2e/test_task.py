"""One task on its page: what a person sees of it, over either wire."""

import asyncio
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import orjson
import pytest
from playwright.async_api import BrowserContext, Locator, Page, expect

from relay.app import Running
from relay.cli.demo import TASKS
from relay.core.events import (
    Append,
    AppendOutput,
    Cancel,
    Data,
    Done,
    Event,
    Fault,
    Hold,
    Log,
    LogOutput,
    Output,
    Progress,
    ProgressOutput,
    Results,
    Source,
    Stall,
    State,
    Submit,
    Submitted,
)
from relay.journal.base import StoredTask
from relay.sandbox import Sandbox
from relay.tasks.requests import Start

pytestmark = pytest.mark.asyncio(loop_scope="session")

View = Callable[[Running, str], str]
MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]

FOUR_MODELS = TASKS[:4]
IMAGE = "bytedance/text-to-image-seedream-v4"
PAYLOAD = "<img/src=x/onerror=window.attacked=1><script>window.attacked=1</script>"

EXTENT = """async (media) => {
  const loaded = () => media.naturalWidth || media.duration;
  if (!loaded()) {
    await new Promise((done) => ["load", "loadedmetadata"].map((type) => media.addEventListener(type, done)));
  }
  return loaded();
}"""
"""The width of a picture or the duration of a video: only what was decoded has one."""


def part(page: Page, name: str) -> Locator:
    """Find a part of the <relay-task> by its name."""
    return page.locator(f'[data-is="{name}"]')


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until the condition holds."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 -- the hub tells nobody that a viewer has left
            await asyncio.sleep(0)


async def log_of(relay: Running, task: str) -> list[Any]:
    """Return the task's log as it is on the wire."""
    history = await relay.context.journal.read(task, after=0, limit=10_000)
    return [orjson.loads(entry.body) for entry in history.entries]


async def write_payloads(relay: Running, task: str) -> None:
    """Write a task into the journal that carries the payload wherever a text from outside may stand."""
    said: list[tuple[str, State, Data]] = [
        ("submit", State.SUBMITTING, Submit(model=PAYLOAD, provider="wiro", tags=(PAYLOAD,))),
        ("submitted", State.QUEUED, Submitted(upstream_id=PAYLOAD)),
        ("output", State.RUNNING, LogOutput(log=Log(stream="stderr", text=PAYLOAD))),
        ("output", State.RUNNING, AppendOutput(append=Append(segment=0, kind="answer", offset=0, text=PAYLOAD))),
        (
            "postprocess_end",
            State.FINISHING,
            Results(outputs=(Output(content_type=PAYLOAD, name=PAYLOAD, url="javascript:window.attacked=1"),)),
        ),
        (
            "done",
            State.FAILED,
            Done(
                verdict="failed", evidence=(PAYLOAD,), warnings=(PAYLOAD,), error=Fault(code=PAYLOAD, message=PAYLOAD)
            ),
        ),
    ]
    await write(relay, task, said)


async def write(relay: Running, task: str, said: list[tuple[str, State, Data]]) -> None:
    """Write a task into the journal that says just this."""
    events = [
        Event(type=name, task=task, seq=seq, state=state, at=1_734_513_809.0, source=Source.LIVE, data=data)
        for seq, (name, state, data) in enumerate(said, start=1)
    ]
    record = StoredTask(id=task, provider="wiro", model=PAYLOAD, created_at=1_734_513_809.0, input={}, metadata={})
    await relay.context.journal.create(record, events[0])
    await relay.context.journal.append(events[1:])


async def events_of(page: Page) -> list[Any]:
    """Return the events that the page was told, in order."""
    messages = await page.evaluate("messages")
    return [message for message in messages if "seq" in message and message["type"] != "resumed"]


@pytest.mark.parametrize(("model", "given"), FOUR_MODELS, ids=[model for model, _ in FOUR_MODELS])
async def test_each_model_runs_to_its_result_in_the_browser_alike_over_both_wires(
    model: str,
    given: dict[str, object],
    sandbox: Sandbox,
    relay: Running,
    context: BrowserContext,
    view: View,
) -> None:
    """Each model's task ends in the page with media that really load; WebSocket and SSE tell the same story."""
    sandbox.next_run(hold_at="task_queue")
    task = (await relay.context.tasks.start(Start(model=model, input=given))).snapshot
    assert task.upstream_id is not None
    address = view(relay, task.id)
    over_socket, over_stream = await context.new_page(), await context.new_page()
    await over_socket.goto(address)
    await over_stream.goto(address.replace("#", "?wire=sse#"))
    for page in (over_socket, over_stream):
        await expect(part(page, "connection")).to_have_text("live")

    sandbox.release(task.upstream_id)

    for page in (over_socket, over_stream):
        await expect(part(page, "state")).to_have_text("Succeeded")
        media = page.locator("figure").locator("img, video")
        await expect(media).to_have_count(2 if "maxImages" in given else 1)
        for one in await media.all():
            assert await one.evaluate(EXTENT) > 0
    told = await log_of(relay, task.id)
    for page in (over_socket, over_stream):
        events = await events_of(page)
        assert len(events) > 10
        assert events == told[-len(events) :]


async def test_a_task_of_apikley_runs_to_its_result_in_the_browser(
    make_relay: MakeRelay, sandbox: Sandbox, page: Page, view: View
) -> None:
    """Without a socket upstream: what was asked for again and again is shown as such, and there is nothing to stop."""
    settings = {"apikley_api_key": sandbox.apikley_key, "apikley_api_url": sandbox.apikley_url}
    async with make_relay(**settings) as relay:
        wish = Start(
            model="bytedance/seedream-v4-text-to-image",
            input={"prompt": "A lake. [sandbox: credits=creditsConsumed]"},
        )
        task = (await relay.context.tasks.start(wish)).snapshot
        await page.goto(view(relay, task.id))

        await expect(part(page, "state")).to_have_text("Succeeded")
        picture = page.locator("figure img")
        await expect(picture).to_have_count(1)
        assert await picture.evaluate(EXTENT) > 0
        await expect(part(page, "verdict")).to_contain_text("credit")
        await page.goto("about:blank")  # it leaves before the relay does


async def test_a_failed_task_shows_its_verdict_and_what_speaks_for_it(relay: Running, page: Page, view: View) -> None:
    """A failure says so, with its exit code, what was billed, the evidence and the log."""
    wish = Start(model=IMAGE, input={"prompt": "A village in winter. [sandbox: exit=1]"})
    task = (await relay.context.tasks.start(wish)).snapshot

    await page.goto(view(relay, task.id))

    verdict = part(page, "verdict")
    await expect(part(page, "state")).to_have_text("Failed")
    await expect(verdict).to_contain_text("exit code 1")
    await expect(verdict).to_contain_text("not billed")
    await expect(verdict.locator("li").first).to_be_visible()
    await expect(part(page, "log")).to_contain_text("CUDA out of memory")
    await expect(page).to_have_title(f"(Failed) {IMAGE}")


async def test_what_a_policy_blocks_is_a_link_rather_than_a_hole(
    make_relay: MakeRelay, page: Page, view: View, complaints: list[str]
) -> None:
    """Where the operator has not allowed a media host, the picture's place says so and links to it."""
    complaints.append("violates the following Content Security Policy directive")
    async with make_relay(media_sources="https:") as relay:
        task = (await relay.context.tasks.start(Start(model=IMAGE, input={"prompt": "A lake."}))).snapshot
        await page.goto(view(relay, task.id))

        figure = page.locator("figure")
        await expect(figure).to_contain_text("This file could not be loaded")
        await expect(figure.get_by_role("link", name="Open in a new tab")).to_have_attribute(
            "href", re.compile("/cdn/")
        )
        await expect(figure.locator("img")).to_have_count(0)


async def test_a_payload_in_whatever_came_from_outside_is_text(relay: Running, page: Page, view: View) -> None:
    """Markup in a model's name, tag, log, answer, error, evidence and output shows as it is, and runs nowhere."""
    await write_payloads(relay, "attacked")

    await page.goto(view(relay, "attacked"))

    await expect(part(page, "state")).to_have_text("Failed")
    for name in ("model", "facts", "log", "segments", "verdict", "outputs"):
        await expect(part(page, name)).to_contain_text(PAYLOAD)
    await expect(part(page, "outputs").locator("a")).to_have_count(0)  # its address was a script
    assert await page.evaluate("window.attacked") is None


async def test_a_payload_in_what_is_told_of_a_running_task_is_text(relay: Running, page: Page, view: View) -> None:
    """Markup in a label, a unit, a reason, a finding, a name, a kind of answer: the page and the inspector show it."""
    said: list[tuple[str, State, Data]] = [
        ("submit", State.SUBMITTING, Submit(model=IMAGE, provider=PAYLOAD, tags=())),
        ("submitted", State.RUNNING, Submitted(upstream_id="1")),
        ("output", State.RUNNING, ProgressOutput(progress=Progress(percent=5, label=PAYLOAD, speed=1, unit=PAYLOAD))),
        ("output", State.RUNNING, AppendOutput(append=Append(segment=0, kind=PAYLOAD, offset=0, text=PAYLOAD))),
        ("output", State.RUNNING, LogOutput(log=Log(stream="stdout", text=f"\x1b[31m{PAYLOAD}\x1b]0;{PAYLOAD}\x07"))),
        ("cancel", State.RUNNING, Cancel(by=PAYLOAD)),
        ("stall", State.RUNNING, Stall(silent_s=1, checked=PAYLOAD)),
    ]
    await write(relay, "attacked", said)

    await page.goto(view(relay, "attacked"))

    for name in ("facts", "words", "notices", "segments", "log"):
        await expect(part(page, name)).to_contain_text(PAYLOAD)
    await expect(part(page, "segments").locator("summary")).to_have_text(PAYLOAD)
    assert await page.evaluate("window.attacked") is None
    await page.goto(view(relay, "attacked").replace("/t/", "/inspect/"))
    await expect(page.locator("#messages")).to_contain_text("window.attacked=1")
    assert await page.evaluate("window.attacked") is None


async def test_a_payload_in_the_reason_for_waiting_is_text(relay: Running, page: Page, view: View) -> None:
    """The platform's own words about its limit are words, on the page and on the board."""
    said: list[tuple[str, State, Data]] = [
        ("submit", State.SUBMITTING, Submit(model=IMAGE, provider="wiro", tags=())),
        ("hold", State.HELD, Hold(reason=PAYLOAD, position=1)),
    ]
    await write(relay, "attacked", said)

    await page.goto(view(relay, "attacked"))

    await expect(part(page, "notices")).to_contain_text(PAYLOAD)
    assert await page.evaluate("window.attacked") is None


async def test_a_prompt_full_of_markup_comes_back_as_text_in_the_answer(relay: Running, page: Page, view: View) -> None:
    """A model that repeats its prompt cannot make the page run it."""
    wish = Start(model="wiro/sandbox-chat", input={"prompt": PAYLOAD})
    task = (await relay.context.tasks.start(wish)).snapshot

    await page.goto(view(relay, task.id))

    await expect(part(page, "state")).to_have_text("Succeeded")
    await expect(part(page, "segments")).to_contain_text(PAYLOAD)
    assert await page.evaluate("window.attacked") is None


async def test_the_dashboard_shows_a_payload_as_text(relay: Running, page: Page) -> None:
    """Markup in the name and tags of a task in the list is text there too."""
    await write_payloads(relay, "attacked")

    await page.goto(f"{relay.url}/#key={relay.api_key}")

    await expect(page.locator("#list .model")).to_have_text(PAYLOAD)
    await expect(page.locator("#list .faint")).to_contain_text(PAYLOAD)
    assert await page.evaluate("window.attacked") is None


@pytest.mark.parametrize("wire", ["ws", "sse"])
async def test_a_closed_tab_leaves_the_hub(wire: str, relay: Running, page: Page, view: View) -> None:
    """Nothing is kept for a tab that is gone."""
    wish = Start(model=IMAGE, input={"prompt": "A lake. [sandbox: hold_at=task_queue]"})
    task = (await relay.context.tasks.start(wish)).snapshot
    await page.goto(view(relay, task.id).replace("#", f"?wire={wire}#"))
    await expect(part(page, "connection")).to_have_text("live")
    assert relay.context.hub.viewers == 1

    await page.close()

    await until(lambda: relay.context.hub.viewers == 0)
    assert relay.context.hub.channels == 0


async def test_a_link_without_its_token_says_what_is_missing(relay: Running, page: Page) -> None:
    """Half a link is met with words, not with an empty page."""
    await page.goto(f"{relay.url}/t/some-task")

    await expect(page.get_by_role("heading", name="This link is incomplete")).to_be_visible()


@pytest.mark.parametrize("wire", ["ws", "sse"])
async def test_a_task_that_does_not_exist_is_refused_in_words(
    wire: str, relay: Running, page: Page, view: View, complaints: list[str]
) -> None:
    """A browser hides refused handshakes, so the relay accepts first and the page can say why."""
    complaints.append("404")
    await page.goto(view(relay, "nothing").replace("#", f"?wire={wire}#"))

    await expect(part(page, "lost")).to_contain_text("This task cannot be shown")
    await expect(part(page, "lost")).to_contain_text(re.compile("no such task", re.IGNORECASE))
