"""One task on its page, over either transport."""

import asyncio
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import orjson
import pytest
from playwright.async_api import BrowserContext, Page, expect

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
from tests.e2e.follow import part

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


async def until(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 -- the hub has no event for it
            await asyncio.sleep(0.005)


async def log_of(relay: Running, task: str) -> list[Any]:
    """Return the events of the task's log as they are sent."""
    history = await relay.journal.read(task, after=0, limit=10_000)
    return [orjson.loads(entry.body) for entry in history.entries]


async def write_payloads(relay: Running, task: str) -> None:
    """Write a task whose every text from outside is the payload."""
    entries: list[tuple[str, State, Data]] = [
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
    await write(relay, task, entries)


async def write(relay: Running, task: str, entries: list[tuple[str, State, Data]]) -> None:
    """Write a task with these events."""
    events = [
        Event(type=name, task=task, seq=seq, state=state, at=1_734_513_809.0, source=Source.LIVE, data=data)
        for seq, (name, state, data) in enumerate(entries, start=1)
    ]
    record = StoredTask(id=task, provider="wiro", model=PAYLOAD, created_at=1_734_513_809.0, input={}, metadata={})
    await relay.journal.create(record, events[0])
    await relay.journal.append(events[1:])


async def events_of(page: Page) -> list[Any]:
    """Return the events that the page received, in order."""
    messages = await page.evaluate("messages")
    return [message for message in messages if "seq" in message and message["type"] != "resumed"]


@pytest.mark.parametrize(("model", "given"), FOUR_MODELS, ids=[model for model, _ in FOUR_MODELS])
async def test_both_transports_show_each_model_to_its_result(
    model: str,
    given: dict[str, object],
    sandbox: Sandbox,
    relay: Running,
    context: BrowserContext,
    view: View,
) -> None:
    """The media load, and both pages received the events that the log has."""
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
    log = await log_of(relay, task.id)
    for page in (over_socket, over_stream):
        events = await events_of(page)
        assert len(events) > 10
        assert events == log[-len(events) :]


async def test_a_task_of_apikley_is_shown_to_its_result(
    make_relay: MakeRelay, sandbox: Sandbox, page: Page, view: View
) -> None:
    """Apikley has no stream and is polled; the price is in credits."""
    settings = {"apikley_api_key": sandbox.apikley_key, "apikley_api_url": sandbox.apikley_url}
    async with make_relay(**settings) as relay:
        request = Start(
            model="bytedance/seedream-v4-text-to-image",
            input={"prompt": "A lake. [sandbox: credits=creditsConsumed]"},
        )
        task = (await relay.context.tasks.start(request)).snapshot
        await page.goto(view(relay, task.id))

        await expect(part(page, "state")).to_have_text("Succeeded")
        picture = page.locator("figure img")
        await expect(picture).to_have_count(1)
        assert await picture.evaluate(EXTENT) > 0
        await expect(part(page, "numbers")).to_contain_text("credit")
        await page.goto("about:blank")  # disconnect before the relay stops


async def test_a_failed_task_shows_its_verdict_and_evidence(relay: Running, page: Page, view: View) -> None:
    """With exit code, billing, evidence and log."""
    request = Start(model=IMAGE, input={"prompt": "A village in winter. [sandbox: exit=1]"})
    task = (await relay.context.tasks.start(request)).snapshot

    await page.goto(view(relay, task.id))

    verdict = part(page, "verdict")
    await expect(part(page, "state")).to_have_text("Failed")
    await expect(verdict.get_by_role("heading")).to_have_text("Out of memory")
    await expect(verdict).to_contain_text("Not billed")
    await expect(verdict.get_by_text("exit code 1")).to_be_hidden()
    await verdict.get_by_text("Evidence").click()
    await expect(verdict.get_by_text("exit code 1")).to_be_visible()
    await expect(part(page, "log")).to_contain_text("CUDA out of memory")
    await expect(page).to_have_title(f"(Failed) {IMAGE}")


async def test_media_blocked_by_the_policy_are_shown_as_a_link(
    make_relay: MakeRelay, page: Page, view: View, complaints: list[str]
) -> None:
    """The media host is not in RELAY_MEDIA_SOURCES."""
    complaints.append("violates the following Content Security Policy directive")
    async with make_relay(media_sources="https:") as relay:
        task = (await relay.context.tasks.start(Start(model=IMAGE, input={"prompt": "A lake."}))).snapshot
        await page.goto(view(relay, task.id))

        figure = page.locator("figure")
        await expect(figure).to_contain_text("This file could not be loaded")
        await expect(figure.get_by_role("link", name="Open in a new tab")).to_have_attribute(
            "href", re.compile("/outputs/0/")
        )
        await expect(figure.locator("img")).to_have_count(0)
        await page.goto("about:blank")


async def test_markup_from_the_platform_is_shown_as_text(relay: Running, page: Page, view: View) -> None:
    """In a model's name, tag, log, answer, error, evidence and output."""
    await write_payloads(relay, "attacked")

    await page.goto(view(relay, "attacked"))

    await expect(part(page, "state")).to_have_text("Failed")
    for name in ("model", "facts", "log", "segments", "verdict", "outputs"):
        await expect(part(page, name)).to_contain_text(PAYLOAD)
    await expect(part(page, "outputs").locator("a")).to_have_count(0)  # its URL is a script
    assert await page.evaluate("window.attacked") is None


async def test_markup_in_a_running_task_is_shown_as_text(relay: Running, page: Page, view: View) -> None:
    """In a label, unit, reason, provider and kind of answer, on the page and in the inspector."""
    entries: list[tuple[str, State, Data]] = [
        ("submit", State.SUBMITTING, Submit(model=IMAGE, provider=PAYLOAD, tags=())),
        ("submitted", State.RUNNING, Submitted(upstream_id="1")),
        ("output", State.RUNNING, ProgressOutput(progress=Progress(percent=5, label=PAYLOAD, speed=1, unit=PAYLOAD))),
        ("output", State.RUNNING, AppendOutput(append=Append(segment=0, kind=PAYLOAD, offset=0, text=PAYLOAD))),
        ("output", State.RUNNING, LogOutput(log=Log(stream="stdout", text=f"\x1b[31m{PAYLOAD}\x1b]0;{PAYLOAD}\x07"))),
        ("cancel", State.RUNNING, Cancel(by=PAYLOAD)),
        ("stall", State.RUNNING, Stall(silent_s=1, checked=PAYLOAD)),
    ]
    await write(relay, "attacked", entries)

    await page.goto(view(relay, "attacked"))

    for name in ("facts", "words", "notices", "segments", "log"):
        await expect(part(page, name)).to_contain_text(PAYLOAD)
    await expect(part(page, "segments").locator("summary")).to_have_text(PAYLOAD)
    assert await page.evaluate("window.attacked") is None
    await page.goto(view(relay, "attacked").replace("/t/", "/inspect/"))
    await expect(page.locator("#messages")).to_contain_text("window.attacked=1")
    assert await page.evaluate("window.attacked") is None


async def test_markup_in_the_reason_of_a_hold_is_shown_as_text(relay: Running, page: Page, view: View) -> None:
    """It may quote the platform."""
    entries: list[tuple[str, State, Data]] = [
        ("submit", State.SUBMITTING, Submit(model=IMAGE, provider="wiro", tags=())),
        ("hold", State.HELD, Hold(reason=PAYLOAD, position=1)),
    ]
    await write(relay, "attacked", entries)

    await page.goto(view(relay, "attacked"))

    await expect(part(page, "notices")).to_contain_text(PAYLOAD)
    assert await page.evaluate("window.attacked") is None


async def test_markup_in_an_answer_is_shown_as_text(relay: Running, page: Page, view: View) -> None:
    """A model may repeat its prompt."""
    request = Start(model="wiro/sandbox-chat", input={"prompt": PAYLOAD})
    task = (await relay.context.tasks.start(request)).snapshot

    await page.goto(view(relay, task.id))

    await expect(part(page, "state")).to_have_text("Succeeded")
    await expect(part(page, "segments")).to_contain_text(PAYLOAD)
    assert await page.evaluate("window.attacked") is None


async def test_markup_in_the_dashboards_list_is_shown_as_text(relay: Running, page: Page) -> None:
    """In a task's model and tags."""
    await write_payloads(relay, "attacked")

    await page.goto(f"{relay.url}/#key={relay.api_key}")

    await expect(page.locator("#list .words")).to_have_text(PAYLOAD)
    await expect(page.locator("#list p.faint")).to_contain_text(PAYLOAD)
    assert await page.evaluate("window.attacked") is None


@pytest.mark.parametrize("wire", ["ws", "sse"])
async def test_a_closed_tab_frees_its_viewer_and_channel(wire: str, relay: Running, page: Page, view: View) -> None:
    """Over either transport."""
    request = Start(model=IMAGE, input={"prompt": "A lake. [sandbox: hold_at=task_queue]"})
    task = (await relay.context.tasks.start(request)).snapshot
    await page.goto(view(relay, task.id).replace("#", f"?wire={wire}#"))
    await expect(part(page, "connection")).to_have_text("live")
    assert relay.context.hub.viewers == 1

    await page.close()

    await until(lambda: relay.context.hub.viewers == 0)
    assert relay.context.hub.channels == 0


async def test_a_link_without_a_token_is_explained(relay: Running, page: Page) -> None:
    """The page says that the link is incomplete."""
    await page.goto(f"{relay.url}/t/some-task")

    await expect(page.get_by_role("heading", name="This link is incomplete")).to_be_visible()


@pytest.mark.parametrize("wire", ["ws", "sse"])
async def test_an_unknown_task_is_explained(
    wire: str, relay: Running, page: Page, view: View, complaints: list[str]
) -> None:
    """Browsers hide why a handshake failed, so the relay accepts it and sends the reason."""
    complaints.append("404")
    await page.goto(view(relay, "nothing").replace("#", f"?wire={wire}#"))

    await expect(part(page, "lost")).to_contain_text("This task cannot be shown")
    await expect(part(page, "lost")).to_contain_text(re.compile("no such task", re.IGNORECASE))
