"""Results that do not load at once: the page retries them, shows that it does, and offers a button."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from relay.app import Running
from relay.core.events import Output
from tests.e2e import stories
from tests.e2e.cdn import FILES, Cdn

pytestmark = pytest.mark.asyncio(loop_scope="session")

View = Callable[[Running, str], str]

NOT_LOADED = "Failed to load resource"
"""What Chromium writes to the console for each 404."""

IS_LOADED = "media => (media.complete && media.naturalWidth > 0) || media.readyState > 0"

ADD_RESULTS = """async ([first, second]) => {
  const { OutputsView } = await import("/static/src/element/outputs-view.js");
  const place = document.createElement("div");
  document.body.append(place);
  const view = new OutputsView(place, document.body);
  view.render([first], null);
  const shown = place.firstElementChild;
  view.render([second, { ...first }], null);
  return [place.children.length, place.lastElementChild === shown, place.hidden];
}"""


@pytest.fixture
def complaints() -> list[str]:
    return [NOT_LOADED]


@pytest_asyncio.fixture(loop_scope="session")
async def cdn() -> AsyncIterator[Cdn]:
    async with Cdn.running() as started:
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def relay(cdn: Cdn, make_relay: Callable[..., AbstractAsyncContextManager[Running]]) -> AsyncIterator[Running]:
    """Run a relay whose pages may load from the CDN."""
    async with make_relay(media_sources=cdn.origin) as started:
        yield started


def output(cdn: Cdn, name: str, query: str = "") -> Output:
    """Return a result whose file is at the CDN."""
    content_type, _ = FILES[name.rpartition(".")[2]]
    return Output(content_type=content_type, name=name, url=f"{cdn.origin}/{name}{query}")


async def failed(figure: Locator, times: int) -> None:
    """Wait until the page has counted this number of failed attempts; the next one is then scheduled."""
    await expect(figure.locator(".media")).to_have_attribute("data-failures", str(times))


async def open_task(page: Page, relay: Running, view: View, *outputs: Output) -> Locator:
    """Show a finished task with these results, on a page whose clock the test advances."""
    await stories.write_succeeded(relay, "made", *outputs)
    await page.clock.install()
    await page.goto(view(relay, "made"))
    return page.locator("figure")


@pytest.mark.parametrize(("name", "tag"), [("a.png", "img"), ("a.webm", "video"), ("a.wav", "audio")])
async def test_a_late_result_appears_by_itself(
    name: str, tag: str, cdn: Cdn, relay: Running, page: Page, view: View
) -> None:
    """The first retry comes after 1 s, the second 2 s later; the page says so."""
    figure = await open_task(page, relay, view, output(cdn, name))
    await expect(figure).to_contain_text("could not be loaded yet. Trying again…")
    await expect(figure.get_by_role("link", name="Open in a new tab")).to_be_visible()
    await failed(figure, 1)

    await page.clock.fast_forward(1_000)
    await failed(figure, 2)
    cdn.late = False
    await expect(figure.locator(tag)).to_have_count(0)
    await page.clock.fast_forward(2_000)

    await expect(figure.locator(tag)).to_be_visible()
    assert await figure.locator(tag).evaluate(IS_LOADED)
    await expect(figure).not_to_contain_text("Trying again")


async def test_after_a_minute_of_retries_there_is_a_retry_button(
    cdn: Cdn, relay: Running, page: Page, view: View
) -> None:
    """Retries are at most 8 s apart; after the last one only the button sends a request."""
    figure = await open_task(page, relay, view, output(cdn, "a.png"))
    await failed(figure, 1)
    for attempt, waited_s in enumerate((1, 2, 4, *[8] * 6, 5), start=2):
        await page.clock.fast_forward(waited_s * 1_000)
        await failed(figure, attempt)
    retry = figure.get_by_role("button", name="Retry")
    await expect(retry).to_be_visible()
    await expect(figure).to_contain_text("This file could not be loaded.")
    await expect(figure).not_to_contain_text("deleted")
    count = len(cdn.asked)
    await page.clock.fast_forward(600_000)
    assert len(cdn.asked) == count

    cdn.late = False
    await retry.press("Enter")

    await expect(figure.locator("img")).to_be_visible()
    await expect(figure.get_by_role("button", name="Enlarge a.png")).to_be_focused()


async def test_a_retry_bypasses_a_cached_404(cdn: Cdn, relay: Running, page: Page, view: View) -> None:
    """A CDN may allow caching its 404 for hours."""
    cdn.miss_headers = {"Cache-Control": "public, max-age=86400"}
    figure = await open_task(page, relay, view, output(cdn, "a.png"))
    await failed(figure, 1)
    cdn.late = False

    await page.clock.fast_forward(1_000)
    await failed(figure, 2)
    await page.clock.fast_forward(2_000)

    await expect(figure.locator("img")).to_be_visible()


async def test_a_retry_does_not_change_a_signed_url(cdn: Cdn, relay: Running, page: Page, view: View) -> None:
    """A signature covers the query, so every retry uses the URL as it is."""
    cdn.query = "X-Expires=300&X-Signature=ab%2Fcd"
    figure = await open_task(page, relay, view, output(cdn, "a.png", f"?{cdn.query}"))
    await failed(figure, 1)
    for attempt, waited_s in enumerate((1, 2, 4), start=2):
        await page.clock.fast_forward(waited_s * 1_000)
        await failed(figure, attempt)
    cdn.late = False
    await page.clock.fast_forward(8_000)

    await expect(figure.locator("img")).to_be_visible()
    assert set(cdn.asked) == {f"/a.png?{cdn.query}"}


async def test_a_removed_element_does_not_retry(cdn: Cdn, relay: Running, page: Page, view: View) -> None:
    """Back in the document it continues."""
    figure = await open_task(page, relay, view, output(cdn, "a.png"))
    await expect(figure).to_contain_text("Trying again…")
    count = len(cdn.asked)
    await page.evaluate("(window.kept = document.querySelector('relay-task')).remove()")

    await page.clock.run_for(120_000)

    assert len(cdn.asked) == count
    cdn.late = False
    await page.evaluate("document.getElementById('place').append(kept)")
    await expect(figure.locator("img")).to_be_visible()


async def test_the_lightbox_retries_a_picture(cdn: Cdn, relay: Running, page: Page, view: View) -> None:
    """The picture may no longer be in the cache."""
    cdn.late = False
    figure = await open_task(page, relay, view, output(cdn, "a.png"), output(cdn, "b.png"))
    await expect(figure.locator("img")).to_have_count(2)
    for picture in await figure.locator("img").all():
        await expect(picture).to_have_js_property("complete", True)
    failing = await page.evaluate("""() => {
      const { src } = document.querySelector("relay-task").shadowRoot.querySelector("img");
      window.realSrc = Object.getOwnPropertyDescriptor(HTMLImageElement.prototype, "src");
      Object.defineProperty(HTMLImageElement.prototype, "src", {
        get() { return realSrc.get.call(this); },
        set(url) { realSrc.set.call(this, url.replace("a.png", "missing/a.png?once")); },
      });
      return src;
    }""")
    assert failing.endswith("/a.png")
    cdn.late = True

    await page.get_by_role("button", name="Enlarge a.png").click()

    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("Trying again…")
    cdn.late = False
    await page.clock.fast_forward(1_000)
    await expect(dialog.get_by_role("img")).to_be_visible()


async def test_compared_pictures_are_retried(cdn: Cdn, relay: Running, page: Page) -> None:
    """The input may be late, too."""
    url = f"{cdn.origin}/before.png"
    await stories.write_succeeded(
        relay, "made", Output(content_type="image/png", name="a", url=stories.picture("a", 24, 16))
    )
    await page.route("**/input", lambda route: route.fulfill(json={"input": {"inputImage": [url]}, "files": []}))
    token, _ = relay.context.access.mint("made", scope="view input", ttl_s=600)
    await page.clock.install()
    await page.goto(f"{relay.url}/t/made#token={token}")
    await page.get_by_role("button", name="Compare with the input").click()
    await expect(page.locator(".compare")).to_contain_text("Trying again…")

    cdn.late = False
    await page.clock.fast_forward(1_000)

    await expect(page.locator(".compare .before")).to_be_visible()
    await expect(page.locator(".compare")).not_to_contain_text("Trying again")


async def test_a_broken_data_url_offers_no_retry(relay: Running, page: Page, view: View) -> None:
    """Its content cannot change."""
    broken = Output(content_type="image/png", name="broken.png", url="data:image/png;base64,AAAA")
    figure = await open_task(page, relay, view, broken)

    await expect(figure).to_contain_text("This file could not be loaded.")
    await expect(figure.get_by_role("button")).to_have_count(0)


async def test_a_shown_result_keeps_its_element(relay: Running, page: Page) -> None:
    """A playing video goes on while other results are added."""
    await page.goto(relay.url)
    first, second = (
        {"content_type": "image/png", "name": name, "size": 1, "url": stories.picture(name, 24, 16)} for name in "ab"
    )

    assert await page.evaluate(ADD_RESULTS, [first, second]) == [2, True, False]
