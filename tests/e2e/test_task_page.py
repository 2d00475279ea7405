"""The page of a task: what was asked for, what came, why it failed, and what to do next."""

from collections.abc import Callable

import pytest
from playwright.async_api import BrowserContext, Page, expect

from relay.app import Running
from relay.core.events import Output
from relay.sandbox import Sandbox
from relay.tasks.requests import Start
from relay.web.api.links import links
from tests.e2e import stories
from tests.e2e.follow import BLANK, part
from tests.e2e.test_states import running, show

pytestmark = pytest.mark.asyncio(loop_scope="session")

View = Callable[[Running, str], str]

COUNT_SHIFTS = """
  window.shift = 0;
  new PerformanceObserver((list) => {
    for (const { value, hadRecentInput } of list.getEntries()) if (!hadRecentInput) shift += value;
  }).observe({ type: "layout-shift", buffered: true });
"""
LOADED = "[...document.querySelector('relay-task').shadowRoot.querySelectorAll('figure img')].every((i) => i.complete)"
LOADED_ALL = f"() => {LOADED}"

TRACE = "\n".join([*["libpng warning: iCCP: known incorrect sRGB profile"] * 19, "RuntimeError: CUDA out of memory"])


GROW = """async (texts) => {
  const { MarkdownView } = await import("/static/src/element/markdown-view.js");
  const render = (text, step) => {
    const host = document.createElement("div");
    const view = new MarkdownView(host);
    for (let end = step; end < text.length; end += step) view.render(text.slice(0, end), true);
    view.render(text, false);
    return host.innerHTML;
  };
  return texts.map((text) => [1, 7, 900].map((step) => render(text, step)).concat(render(text, text.length)));
}"""

TEXTS = [
    "One\ntwo\n\n\n- a\n  b\n- c\n1. d\n\n> q\n> r\ns\n---\n## H ##\n",
    "```py\n# no heading\n\n- no item\n```\nafter\n```\nnever closed",
    "word " * 3000 + "\n\n**end**",
    "line\n" * 3000 + "- *item*",
    " \n\n",
]


async def test_markdown_that_grows_ends_as_if_it_had_come_at_once(relay: Running, page: Page) -> None:
    """Blocks that are complete are not rendered again."""
    await page.goto(relay.url + BLANK)
    for text, found in zip(TEXTS, await page.evaluate(GROW, TEXTS), strict=True):
        assert len(set(found)) == 1, text[:40]


def segment(kind: str, text: str) -> dict[str, str]:
    return {"kind": kind, "text": text}


async def test_a_page_shows_what_was_asked_and_what_came(
    sandbox: Sandbox, relay: Running, page: Page, context: BrowserContext, view: View
) -> None:
    """In this order, without a shift; a reader who may only view sees neither the prompt nor the command."""
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    given = {"prompt": "Four views of a 'lighthouse'", "size": "2304x1728", "maxImages": 4}
    start = Start(model="bytedance/seedream-v4", input=given, tags=("campaign",))
    task = (await relay.context.tasks.start(start)).snapshot
    while (await relay.context.tasks.snapshot(task.id)).done is None:
        await page.wait_for_timeout(20)
    token, _ = relay.context.access.mint(task.id, scope="view input", ttl_s=600)
    await page.add_init_script(COUNT_SHIFTS)
    await page.goto(relay.url + links(relay.context.config, task.id, token)["view"])

    await expect(page.locator(".asked-prompt")).to_have_text("Four views of a 'lighthouse'")
    await expect(page.locator(".asked-facts li")).to_have_text(["size 2304\u00d71728", "max images 4"])
    await expect(part(page, "verdict")).to_contain_text("Succeeded4 pictures")
    await expect(part(page, "announcement")).to_have_text("Succeeded. Ready: 4 pictures")
    await page.wait_for_function(LOADED_ALL)
    tops = [
        box["y"]
        for each in (".asked-prompt", '[data-is="verdict"]', "figure", '[data-is="numbers"]', ".next", ".rail")
        if (box := await page.locator(each).first.bounding_box())
    ]
    assert tops == sorted(tops)
    assert len(tops) == 6
    boxes = [box for each in await page.locator("figure").all() if (box := await each.bounding_box())]
    assert len({box["y"] for box in boxes}) == 1, "four pictures are in a row"
    assert boxes[0]["width"] / boxes[0]["height"] == pytest.approx(2304 / 1728, rel=0.02)
    assert await page.evaluate("shift") <= 0.02

    await page.get_by_role("button", name="Copy as curl").click()
    assert await page.locator("text=Edit and run").get_attribute("href") == f"../#edit={task.id}"
    command = await page.evaluate("navigator.clipboard.readText()")
    assert command.startswith(f"curl '{relay.url}/v1/tasks'")
    assert "Four views of a '\\''lighthouse'\\''" in command
    archive = await page.get_by_role("link", name="Download all").get_attribute("href")
    response = await page.request.get(archive or "")
    assert (response.status, response.headers["content-type"]) == (200, "application/zip")

    await page.goto("about:blank")
    await page.goto(view(relay, task.id))
    await expect(page.get_by_role("link", name="Download all")).to_be_visible()
    for absent in (".asked-prompt", "text=Copy as curl", "text=Edit and run", "text=Run again"):
        await expect(page.locator(absent)).to_be_hidden()


async def test_a_failure_leads_with_its_cause_on_a_phone(relay: Running, page: Page) -> None:
    """The line that names the error is on the first screen; the others and the evidence are folded."""
    await page.set_viewport_size({"width": 390, "height": 700})
    failed = {"verdict": "failed", "exit_code": 1, "cost": None, "elapsed_s": None, "billed": False}
    rest = {
        "inferred": False,
        "evidence": ["record: exit code 1"],
        "warnings": [],
        "error": {"code": 1, "message": TRACE},
    }
    await show(page, relay, running(state="failed", ended_at=1000.0, done={**failed, **rest}))

    verdict = part(page, "verdict")
    await expect(verdict.get_by_role("heading")).to_have_text("Out of memory")
    cause = verdict.locator(".fault")
    await expect(cause).to_have_text("RuntimeError: CUDA out of memory")
    await expect(cause).to_be_in_viewport(ratio=1)
    await expect(verdict.locator(".advice")).to_be_in_viewport(ratio=1)
    await expect(verdict.locator(".trace")).to_be_hidden()
    await expect(part(page, "announcement")).to_have_text("Failed. RuntimeError: CUDA out of memory")
    await verdict.get_by_text("The whole error, 20 lines").click()
    await expect(verdict.locator(".trace")).to_be_visible()


async def test_an_answer_streams_as_markdown(relay: Running, page: Page) -> None:
    """Thoughts are open while there is nothing else; the pane follows its end until the reader scrolls up."""
    stages = [{"type": "start", "at": 996.0, "source": "live"}]
    await show(page, relay, running(segments=[segment("thinking", "They ask for a poem.")], stages=stages))
    await expect(page.get_by_text("Thinking… 4.0 s")).to_be_visible()
    await expect(page.get_by_text("They ask for a poem.")).to_be_visible()
    await expect(part(page, "progress")).to_be_hidden()

    links = "a [link](https://example.com/) and [none](javascript:alert(1))"
    text = f"# Title\n\nSome **bold** and `code`, {links}.\n\n- one\n"
    answer = f"{text}- two <b>x</b>\n\n```js\nlet a;\n```\n"
    thoughts = segment("thinking", "They ask for a poem.")
    await page.evaluate("segments => show({ segments })", [thoughts, segment("answer", text)])
    await page.evaluate("segments => show({ segments }, 1)", [thoughts, segment("answer", answer)])

    rich = page.locator(".rich")
    await expect(page.get_by_text("They ask for a poem.")).to_be_hidden()
    await expect(rich.locator("h3")).to_have_text("Title")
    await expect(rich.locator("strong")).to_have_text("bold")
    await expect(rich.locator("li")).to_have_text(["one", "two <b>x</b>"])
    await expect(rich.locator("pre")).to_have_text("let a;")
    assert await rich.locator("a").evaluate_all("links => links.map(({ href }) => href)") == ["https://example.com/"]
    await expect(rich).to_contain_text("[none](javascript:alert(1))")

    pane = page.locator(".answer-pane")
    at_end = "pane => pane.scrollHeight - pane.scrollTop - pane.clientHeight < 8"
    for lines in (100, 200):
        longer = answer + "\nA line.\n" * lines
        await page.evaluate("segments => show({ segments }, 2)", [thoughts, segment("answer", longer)])
        assert await pane.evaluate(at_end)
    await pane.evaluate("pane => new Promise((done) => { pane.onscroll = done; pane.scrollTop = 0; })")
    await page.evaluate("segments => show({ segments }, 3)", [thoughts, segment("answer", longer + "More.\n")])
    assert await pane.evaluate("pane => pane.scrollTop") == 0
    await expect(page.locator(".answer-foot")).to_contain_text("words")


async def test_a_file_is_a_row_with_its_download(relay: Running, page: Page, view: View) -> None:
    """One that cannot be opened says why."""
    await stories.write_succeeded(
        relay,
        "files",
        Output(content_type="model/gltf-binary", name="chair.glb", size=8_100_000, url="https://example.com/chair.glb"),
        Output(content_type="text/plain", name="notes.txt", url="ftp://example.com/notes.txt"),
    )

    await page.goto(view(relay, "files"))

    files = page.locator("figure")
    await expect(files.nth(0).get_by_role("link", name="Download")).to_have_attribute("download", "")
    await expect(files.nth(1)).to_contain_text("This type of address cannot be opened here.")
