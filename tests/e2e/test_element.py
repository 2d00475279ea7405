"""`<relay-task>`: what it shows in each state, and how it behaves in a page."""

import re
from collections.abc import Callable
from itertools import pairwise

import pytest
from playwright.async_api import BrowserContext, Page, expect

from relay.app import Running
from relay.sandbox import Sandbox
from relay.tasks.requests import Start
from tests.e2e import stories
from tests.e2e.follow import part

pytestmark = pytest.mark.asyncio(loop_scope="session")

View = Callable[[Running, str], str]

IMAGE = "bytedance/text-to-image-seedream-v4"

PLACE = """async ([tasks, fallback]) => {
  await import("/static/relay.js");
  window.heard = [];
  for (const type of ["relay-update", "relay-done", "relay-error"]) {
    addEventListener(type, ({ target, composed }) => heard.push([type, target.getAttribute("task"), composed]));
  }
  document.getElementById("place").replaceChildren(...tasks.map(([task, token]) => {
    const element = document.createElement("relay-task");
    element.setAttribute("task", task);
    element.setAttribute("token", token);
    element.textContent = fallback;
    return element;
  }));
}"""


async def place(page: Page, relay: Running, tasks: list[str], fallback: str = "", scope: str = "view") -> None:
    """Show an element for each task on an empty page of the relay."""
    tokens = [relay.context.access.mint(task, scope=scope, ttl_s=600)[0] for task in tasks]
    await page.goto(f"{relay.url}/embed/all")
    await page.evaluate(PLACE, [list(zip(tasks, tokens, strict=True)), fallback])


async def test_the_stages_are_bars_on_a_common_axis(relay: Running, page: Page, view: View) -> None:
    """The time before the platform had the task is apart, and a reconstructed mark explains itself on focus."""
    await stories.write(relay, ["running", "reconciled"])
    await page.goto(view(relay, "running"))

    rail = part(page, "rail").locator("li")
    await expect(rail.locator(".name")).to_have_text(
        ["Waiting", "Queued", "Preparing", "Starting", "Generating", "Finishing", "Done"]
    )
    assert [await row.get_attribute("data-status") for row in await rail.all()] == [
        *["passed"] * 4, "current", "ahead", "ahead"
    ]  # fmt: skip
    await expect(rail.locator(".duration").first).to_have_text("3.2 s")
    await expect(page.locator('[data-is="rail"] [aria-current=step] .name')).to_have_text("Generating")
    boxes = [box for bar in await rail.locator(".span:visible").all() if (box := await bar.bounding_box())]
    for before, after in pairwise(boxes):
        assert after["x"] == pytest.approx(before["x"] + before["width"], abs=3), "each begins where the last one ends"

    await page.goto(view(relay, "reconciled"))

    marked = page.locator('[data-is="rail"] [data-reconstructed]')
    await expect(marked).to_have_count(4)
    note = marked.first.locator(".note-text")
    await expect(note).to_have_text("Reconstructed from the platform's record.")
    await expect(note).to_have_css("clip-path", "inset(50%)")
    await marked.first.focus()
    await expect(note).to_have_css("clip-path", "none")


@pytest.mark.parametrize(
    ("story", "words"),
    [
        ("stalled", r"Stuck for [2-4] min \d\d s.*The relay asked the platform: status task_output\."),
        ("held", "Waiting for capacity on the platform.*Position 3 in the relay's queue"),
        ("canceling", "Cancellation requested.*By viewer"),
    ],
)
async def test_a_notice_explains_a_stall_a_queue_and_a_cancellation(
    story: str, words: str, relay: Running, page: Page, view: View
) -> None:
    """With the result of the relay's check, the position in the queue, and who asked to stop."""
    await stories.write(relay, [story])

    await page.goto(view(relay, story))

    await expect(part(page, "notices")).to_contain_text(re.compile(words))


@pytest.mark.parametrize(
    ("story", "words"),
    [
        ("no-funds", "The account has insufficient funds"),
        ("bad-field", "Change the input “size”"),
        ("failed", "A smaller size or fewer images may help"),
        ("lost", "it may have been billed"),
        ("canceled", "Start it again if that was a mistake"),
    ],
)
async def test_a_verdict_other_than_success_gives_advice(
    story: str, words: str, relay: Running, page: Page, view: View
) -> None:
    """Beside its evidence."""
    await stories.write(relay, [story])

    await page.goto(view(relay, story))

    await expect(part(page, "verdict")).to_contain_text(words)
    await expect(part(page, "progress")).to_be_hidden()


async def test_a_stall_hides_the_eta(relay: Running, page: Page, view: View) -> None:
    """A running task shows that of the whole task, with its basis as a title."""
    await stories.write(relay, ["running-video", "stalled"])
    await page.goto(view(relay, "running-video"))
    left = r"(40|41) min \d\d s to 1 h 0[78] min left"
    await expect(part(page, "eta")).to_have_text(re.compile(left))
    await expect(part(page, "eta")).to_have_attribute("title", re.compile(rf"{left} \(based on 14 earlier runs\)"))
    await expect(part(page, "basis")).to_have_text("estimated")

    await page.goto(view(relay, "stalled"))
    await expect(part(page, "percent")).to_have_text("44 %")
    await expect(part(page, "eta")).to_have_text("")


async def test_elapsed_time_uses_the_relays_clock(relay: Running, context: BrowserContext, view: View) -> None:
    """A browser whose clock is set to 1970 shows the same, and it advances."""
    await stories.write(relay, ["unmeasured"])
    page = await context.new_page()
    await page.clock.install(time=0)

    await page.goto(view(relay, "unmeasured"))

    await expect(part(page, "elapsed")).to_have_text(re.compile(r"^(\d\d s|\d min \d\d s)$"))
    before = await part(page, "elapsed").text_content()
    await page.clock.run_for(3_000)
    await expect(part(page, "elapsed")).not_to_have_text(before or "")


async def test_thinking_is_folded_and_the_answer_is_open(relay: Running, page: Page, view: View) -> None:
    """The reader can open the thinking."""
    await stories.write(relay, ["streaming"])
    await page.goto(view(relay, "streaming"))

    await expect(page.get_by_text("Three cities come to mind")).to_be_visible()
    thoughts = page.get_by_text("They ask for three cities")
    await expect(thoughts).to_be_hidden()
    await page.get_by_text("Thinking").click()
    await expect(thoughts).to_be_visible()


async def test_the_lightbox_is_operated_by_keyboard(relay: Running, page: Page, view: View) -> None:
    """Enter opens a picture, the arrow keys cycle, Escape closes it and restores the focus."""
    await stories.write(relay, ["succeeded"])
    await page.goto(view(relay, "succeeded"))
    first = page.get_by_role("button", name="Enlarge village-0.png")

    await first.press("Enter")
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("village-0.png (1 of 2)")
    await page.keyboard.press("ArrowRight")
    await expect(dialog).to_contain_text("village-1.png (2 of 2)")
    await page.keyboard.press("ArrowRight")
    await expect(dialog).to_contain_text("village-0.png (1 of 2)")
    await page.keyboard.press("End")
    await expect(dialog.get_by_role("img")).to_have_attribute("alt", "village-1.png")
    await page.keyboard.press("Escape")

    await expect(dialog).to_be_hidden()
    await expect(first).to_be_focused()


async def test_comparing_with_the_input_needs_the_scope_input(relay: Running, page: Page) -> None:
    """With it the input picture lies over the result; without it the input is not requested."""
    made = (await relay.context.tasks.start(Start(model=IMAGE, input={"prompt": "A lake."}))).snapshot
    await place(page, relay, [made.id])
    image = page.locator("figure img")
    await expect(image).not_to_have_js_property("naturalWidth", 0)
    before = await image.get_attribute("src")
    request = Start(model="bytedance/seedream-v4", input={"prompt": "In snow.", "inputImage": [before]})
    task = (await relay.context.tasks.start(request)).snapshot
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    await place(page, relay, [task.id])
    await expect(page.locator("figure img")).to_be_visible()
    assert not [url for url in asked if url.endswith("/input")]

    await place(page, relay, [task.id], scope="view input")
    await page.get_by_role("button", name="Compare with the input").press("Enter")
    await expect(page.locator(".compare .before")).to_have_attribute("src", before or "")
    slider = page.get_by_role("slider")
    await slider.press("End")
    split = "element => getComputedStyle(element.closest('.compare')).getPropertyValue('--relay-split')"
    assert await page.locator(".compare .before").evaluate(split) == "100%"


async def test_stopping_a_task_needs_the_scope_cancel_and_a_confirmation(
    sandbox: Sandbox, relay: Running, page: Page
) -> None:
    """Without the scope there is no button; with it, a second step. The focus stays in the card."""
    sandbox.next_run(hold_at="task_queue")
    task = (await relay.context.tasks.start(Start(model=IMAGE, input={"prompt": "A lake."}))).snapshot
    await place(page, relay, [task.id])
    await expect(part(page, "state")).to_have_text("Queued")
    await expect(page.get_by_role("button", name="Cancel task")).to_be_hidden()

    await place(page, relay, [task.id], scope="view cancel")
    await page.get_by_role("button", name="Cancel task").press("Enter")
    await expect(page.get_by_role("button", name="Keep running")).to_be_focused()
    await page.get_by_role("button", name="Yes, cancel it").press("Enter")

    await expect(part(page, "state")).to_have_text("Canceled")
    await expect(page.get_by_role("button", name="Cancel task")).to_be_hidden()
    assert await page.evaluate("document.activeElement.shadowRoot.activeElement.dataset.is") == "card"


async def test_twenty_elements_share_one_socket(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """Each shows its own task, finished or running."""
    await stories.write(relay, ["running"])
    tasks = [
        (await relay.context.tasks.start(Start(model=IMAGE, input={"prompt": f"Lake {n}."}))).snapshot.id
        for n in range(19)
    ]
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))

    await place(page, relay, [*tasks, "running"])

    await expect(page.locator('[data-state="succeeded"] figure img')).to_have_count(19)
    await expect(page.locator('[data-state="running"]')).to_have_count(1)
    assert len(sockets) == 1
    done = await page.evaluate("heard.filter(([type]) => type === 'relay-done').map(([, task]) => task)")
    assert sorted(done) == sorted(tasks)


async def test_the_elements_content_is_shown_until_the_first_state(
    relay: Running, page: Page, context: BrowserContext
) -> None:
    """Text between the tags stands in for the task while nothing has arrived."""
    await stories.write(relay, ["running"])
    await page.route_web_socket("**/v1/ws", lambda _socket: None)  # a relay that says nothing
    await page.route("**/v1/events*", lambda _route: None)
    words = "Your picture is on its way…"
    await place(page, relay, ["running"], words)
    await expect(page.get_by_text(words)).to_be_visible()

    page = await context.new_page()
    await place(page, relay, ["running"], words)

    await expect(part(page, "state")).to_have_text("Generating")
    await expect(part(page, "loading")).to_be_hidden()


async def test_the_element_fires_its_documented_events(relay: Running, page: Page) -> None:
    """`relay-update` per message, `relay-done` once, `relay-error` for a refusal; all composed."""
    await stories.write(relay, ["succeeded"])
    await place(page, relay, ["succeeded", "nothing"])
    await expect(page.locator('[data-connection="refused"]')).to_have_count(1)
    await expect(page.locator('[data-state="succeeded"]')).to_have_count(1)

    heard = await page.evaluate("heard")

    assert ["relay-update", "succeeded", True] in heard
    once = sorted(entry for entry in heard if entry[0] != "relay-update")
    assert once == [["relay-done", "succeeded", True], ["relay-error", "nothing", True]]


async def test_a_moved_element_keeps_its_connection(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """Sections that the reader has opened stay open."""
    sandbox.next_run(hold_at="task_start")
    task = (await relay.context.tasks.start(Start(model=IMAGE, input={"prompt": "A lake."}))).snapshot
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    await place(page, relay, [task.id])
    await page.get_by_text("All steps").click()
    await expect(part(page, "connection")).to_have_text("live")

    await page.evaluate("document.body.append(document.querySelector('relay-task'))")

    assert task.upstream_id is not None
    sandbox.release(task.upstream_id)
    await expect(part(page, "state")).to_have_text("Succeeded")
    await expect(part(page, "steps")).to_be_visible()
    assert len(sockets) == 1
    received = await page.evaluate("messages.map(({ type }) => type)")
    assert [kind for kind in received if kind in ("snapshot", "resumed")] == ["snapshot"]  # it did not reconnect


async def test_a_removed_element_stops_and_resumes_when_put_back(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """Outside the document it fires no events."""
    sandbox.next_run(hold_at="task_start")
    task = (await relay.context.tasks.start(Start(model=IMAGE, input={"prompt": "A lake."}))).snapshot
    await place(page, relay, [task.id, task.id])
    await expect(part(page, "state")).to_have_text(["Generating", "Generating"])
    await page.evaluate("""{
      window.kept = document.querySelector("relay-task");
      kept.remove();
      kept.addEventListener("relay-update", () => (window.overheard = true));
    }""")
    assert task.upstream_id is not None

    sandbox.release(task.upstream_id)

    await expect(part(page, "state")).to_have_text("Succeeded")
    assert await page.evaluate("window.overheard") is None
    await page.evaluate("document.body.append(kept)")
    await expect(part(page, "state")).to_have_text(["Succeeded", "Succeeded"])


async def test_a_long_log_follows_its_end_until_the_reader_scrolls(
    sandbox: Sandbox, relay: Running, page: Page
) -> None:
    """Of 3000 lines the newest are in view; scrolling up stops following, a button resumes it."""
    request = Start(model=IMAGE, input={"prompt": "A lake. [sandbox: stderr_lines=3000, hold_at=task_end]"})
    task = (await relay.context.tasks.start(request)).snapshot
    await place(page, relay, [task.id])
    log = part(page, "log")
    await expect(part(page, "dropped")).to_be_visible()
    at_end = "pane => pane.scrollHeight - pane.scrollTop - pane.clientHeight < 8"
    assert await log.evaluate(at_end)
    assert await log.locator("div").count() < 2_000

    await log.evaluate("pane => pane.scrollTo(0, 0)")
    await expect(page.get_by_role("checkbox", name="Follow")).not_to_be_checked()
    await page.get_by_role("button", name=re.compile("Jump to end|new line")).press("Enter")

    await expect(page.get_by_role("checkbox", name="Follow")).to_be_checked()
    assert await log.evaluate(at_end)
