"""Which secrets are in a page's URL, and so in the history and in shared links."""

import jwt
import pytest
from playwright.async_api import Page, expect

from relay.app import Running
from relay.tasks.requests import Start

pytestmark = pytest.mark.asyncio(loop_scope="session")

IMAGE = "bytedance/text-to-image-seedream-v4"


async def held(relay: Running) -> str:
    """Start a task that stays queued, and return its id."""
    request = Start(model=IMAGE, input={"prompt": "A lake. [sandbox: hold_at=task_queue]"})
    return (await relay.context.tasks.start(request)).snapshot.id


async def test_a_login_link_works_once_and_has_no_key(relay: Running, page: Page, complaints: list[str]) -> None:
    """The code is removed from the URL, and cannot be used again from the history."""
    complaints.append("401")
    link = relay.login_link()
    assert relay.api_key not in link
    await page.goto(link)
    await expect(page.get_by_text("There are no tasks yet.")).to_be_visible()
    assert page.url == f"{relay.url}/"
    await page.reload()
    await expect(page.get_by_text("There are no tasks yet.")).to_be_visible()

    await page.goto("about:blank")
    await page.goto(link)
    await expect(page.locator("#problem")).to_be_hidden()  # this tab is still signed in
    await page.evaluate("sessionStorage.clear()")
    await page.goto("about:blank")
    await page.goto(link)
    await expect(page.locator("#problem")).to_contain_text("has been used already")
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


async def test_a_code_pasted_into_an_open_dashboard_signs_in(relay: Running, page: Page) -> None:
    """Only the fragment changes; the page is not loaded again."""
    await page.goto(f"{relay.url}/")
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    await page.goto(relay.login_link())
    await expect(page.get_by_text("There are no tasks yet.")).to_be_visible()
    assert page.url == f"{relay.url}/"


async def test_the_url_of_a_task_page_only_allows_viewing(relay: Running, page: Page) -> None:
    """The operator's tab can cancel the task, also after a reload; a copy of the URL cannot."""
    await held(relay)
    await page.goto(f"{relay.url}/#key={relay.api_key}")
    await page.locator("#list li").get_by_role("link").click()
    await page.wait_for_url("**/t/*")
    claims = jwt.decode(page.url.partition("#token=")[2], options={"verify_signature": False})
    assert (claims["scope"], round(claims["exp"] - claims["iat"], -1)) == ("view", 3600)
    cancel = page.get_by_role("button", name="Cancel task")
    await expect(cancel).to_be_visible()
    await page.reload()
    await expect(cancel).to_be_visible()
    kept = await page.evaluate("Object.entries(sessionStorage).find(([name]) => name.startsWith('relay.token.'))[1]")
    own = jwt.decode(kept, options={"verify_signature": False})
    assert (own["scope"], round(own["exp"] - own["iat"], -1)) == ("view cancel input", 3600)

    board = await page.context.new_page()
    await board.goto(f"{relay.url}/#key={relay.api_key}")
    await board.evaluate("sessionStorage.setItem('relay.token.x', 'y')")
    await board.get_by_role("button", name="Sign out").click()
    assert await board.evaluate("sessionStorage.length") == 0
    await board.close()

    reader = await page.context.new_page()  # another tab, with nothing but the URL
    await reader.goto(page.url)
    await expect(reader.locator('[data-is="connection"]')).to_have_text("live")
    await expect(reader.get_by_role("button", name="Cancel task")).to_be_hidden()
    await reader.close()


async def test_a_signed_in_tab_renews_its_expired_token(relay: Running, page: Page) -> None:
    """Without the key the page uses the token of its URL."""
    task = await held(relay)
    await page.goto(f"{relay.url}/#key={relay.api_key}")
    await page.locator("#list li").get_by_role("link").click()
    cancel = page.get_by_role("button", name="Cancel task")
    await expect(cancel).to_be_visible()
    over = jwt.encode(
        {"task": task, "scope": "view cancel", "exp": 1_000_000_000}, relay.context.access._secret, algorithm="HS256"
    )
    await page.evaluate("([name, token]) => sessionStorage.setItem(name, token)", [f"relay.token.{task}", over])
    await page.reload()
    await expect(page.locator('[data-is="connection"]')).to_have_text("live")
    await expect(cancel).to_be_visible()
    assert await page.evaluate("(name) => sessionStorage.getItem(name)", f"relay.token.{task}") != over

    await page.evaluate("([name, token]) => sessionStorage.setItem(name, token)", [f"relay.token.{task}", over])
    await page.evaluate("sessionStorage.removeItem('relay.key')")
    await page.reload()
    await expect(page.locator('[data-is="connection"]')).to_have_text("live")
    await expect(cancel).to_be_hidden()
