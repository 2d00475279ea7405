"""The dashboard: signing in, the form that starts a task, and the way to its page."""

import json
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from playwright.async_api import Page, expect

from relay.app import Running
from relay.sandbox import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="session")

HTTP_ERROR = "Failed to load resource: the server responded with a status of "
"""What Chromium writes to the console for every refused request."""


MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]


async def sign_in(page: Page, relay: Running) -> None:
    await page.goto(relay.url)
    await page.get_by_label("API key").fill(relay.api_key)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.locator("#model option").nth(1)).to_be_attached()


async def test_the_form_starts_a_task_and_links_to_its_page(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """Sign in, start, watch the row, follow the link, see the result."""
    sandbox.next_run(hold_at="task_queue")
    await sign_in(page, relay)
    await expect(page.get_by_text("There are no tasks yet.")).to_be_visible()
    await page.get_by_label("Model", exact=True).select_option(label="bytedance/seedream-v4")
    await page.get_by_label("Prompt", exact=True).fill("A cat asleep on a stack of books.")
    await page.get_by_role("button", name="Start", exact=True).click()
    row = page.locator("#list li")
    await expect(row).to_have_count(1)
    await expect(row.get_by_role("link")).to_have_text("A cat asleep on a stack of books.")
    await expect(row).to_contain_text("seedream-v4 · wiro")
    await expect(row.locator(".status")).to_have_text("Queued")
    assert await page.evaluate("location.hash") == ""

    (upstream,) = sandbox.tasks
    sandbox.release(upstream)

    await expect(row.locator(".status")).to_have_text("Succeeded")
    await page.get_by_role("link", name="View task").click()
    await expect(page).to_have_url(re.compile(r"/t/[a-z0-9]+#token="))
    await expect(page.locator('[data-is="state"]')).to_have_text("Succeeded")
    await expect(page.locator("figure img")).not_to_have_js_property("naturalWidth", 0)
    (run,) = sandbox.runs
    assert ("prompt", "A cat asleep on a stack of books.") in [(field.name, field.value) for field in run.fields]


async def test_a_row_opens_the_page_of_its_task(relay: Running, page: Page) -> None:
    """The link has a token for the task."""
    await sign_in(page, relay)
    await page.get_by_label("Prompt", exact=True).fill("A lake.")
    await page.get_by_role("button", name="Start", exact=True).click()

    await page.locator("#list li").get_by_role("link").click()

    await expect(page).to_have_url(re.compile(r"/t/[a-z0-9]+#token="))
    await expect(page.locator('[data-is="state"]')).to_have_text("Succeeded")


async def test_a_key_in_the_url_signs_in_and_is_removed(relay: Running, page: Page) -> None:
    """Signing out removes it from the session storage, too."""
    await page.goto(f"{relay.url}/#key={relay.api_key}")

    await expect(page.get_by_role("heading", name="Start a task")).to_be_visible()
    assert relay.api_key not in page.url
    await page.get_by_role("button", name="Sign out").click()
    await page.reload()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


async def test_sign_in_works_without_session_storage(relay: Running, page: Page) -> None:
    """Chrome forbids it when all cookies are blocked; the key then lasts until the page is reloaded."""
    await page.add_init_script(
        "Object.defineProperty(window, 'sessionStorage', { get() { throw new DOMException('no', 'SecurityError'); } })"
    )
    await sign_in(page, relay)

    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    await page.goto(f"{relay.url}/#key={relay.api_key}")
    await expect(page.get_by_role("heading", name="Start a task")).to_be_visible()


async def test_a_wrong_key_is_explained(relay: Running, page: Page, complaints: list[str]) -> None:
    """The form asks again, with the reason."""
    complaints.append(f"{HTTP_ERROR}401")
    await page.goto(relay.url)
    await page.get_by_label("API key").fill("not the key of this relay")
    await page.get_by_role("button", name="Sign in").click()

    await expect(page.locator("#problem")).to_contain_text("neither an API key nor a valid token")
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


async def test_a_refusal_of_the_platform_is_shown_beside_the_form(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """The form keeps its input."""
    complaints.append(f"{HTTP_ERROR}402")
    sandbox.next_run(run_error="97:Insufficient balance")
    await sign_in(page, relay)
    await page.get_by_label("Prompt", exact=True).fill("A lake.")
    await page.get_by_role("button", name="Start", exact=True).click()

    problem = page.locator("#start .problem")
    await expect(problem).to_contain_text("The platform said: Insufficient balance (code 97)")
    await expect(page.get_by_label("Prompt", exact=True)).to_have_value("A lake.")
    await expect(page.get_by_role("button", name="Start", exact=True)).to_be_enabled()


async def test_invalid_json_is_reported_before_it_is_sent(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """Switching to the form does not lose the text."""
    await sign_in(page, relay)
    await page.get_by_label("Edit as JSON").check()
    await page.get_by_label("Input as JSON").fill('{"prompt": ')
    await page.get_by_role("button", name="Start", exact=True).click()
    await expect(page.locator("#start .problem")).to_have_text("The input is not a JSON object")
    await page.get_by_label("Edit as JSON").click()

    await expect(page.get_by_label("Input as JSON")).to_have_value('{"prompt": ')
    await expect(page.get_by_label("Edit as JSON")).to_be_checked()
    assert sandbox.runs == ()


async def test_the_form_has_every_input_of_every_model(relay: Running, page: Page) -> None:
    """Each has a label, its default, options and help, and whether it is required."""
    await sign_in(page, relay)
    await expect(page.locator("#model option")).to_have_count(5)
    for model in relay.context.models:
        if not relay.context.models.is_available(model):
            continue
        await page.get_by_label("Model", exact=True).select_option(label=model.model)
        fields = page.locator(".fields .field")
        await expect(fields).to_have_count(len(model.inputs))
        await expect(page.locator("#start .chip")).to_have_count(len(model.inspires))
        for each in model.inputs:
            control = fields.get_by_label(each.label, exact=True)
            await expect(control).to_have_value("" if each.default is None else str(each.default))
            assert await control.locator("option").all_text_contents() == [option.label for option in each.options]
            assert await control.evaluate("(control) => control.required") == each.required
            described = await control.get_attribute("aria-describedby")
            for place in (described or "").split():
                await expect(page.locator(f"#{place}")).to_have_count(1)
            assert described
            await expect(fields.filter(has=page.get_by_label(each.label, exact=True))).to_contain_text(each.help)


async def test_a_sample_input_is_sent_as_the_platform_documents_it(
    sandbox: Sandbox, relay: Running, page: Page
) -> None:
    """Choosing a model, pressing a chip and starting works by keyboard alone."""
    await sign_in(page, relay)
    await page.get_by_label("Model", exact=True).select_option(label="bytedance/image-to-video-seedance-v1")
    chip = page.locator("#start .chip").nth(2)
    await chip.press("Enter")
    prompt = await chip.text_content()
    await expect(page.get_by_label("Prompt", exact=True)).to_have_value(prompt or "")
    await page.get_by_label("Resolution").select_option("720p")
    await page.get_by_label("Seed").fill("7")
    await page.get_by_role("button", name="Start", exact=True).press("Enter")
    await expect(page.locator("#list li")).to_have_count(1)

    (run,) = sandbox.runs
    assert run.model == "ByteDance/image-to-video-seedance-v1"
    assert {field.name: field.value for field in run.fields} == {
        "prompt": prompt,
        "resolution": "720p",
        "ratio": "16:9",
        "duration": "5",
        "fps": "24",
        "watermark": "false",
        "seed": 7,
        "camerafixed": "false",
    }


async def test_invalid_inputs_are_marked_at_their_controls(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """The first one gets the focus, correcting it removes the message, and nothing is started."""
    complaints.append(f"{HTTP_ERROR}422")
    await sign_in(page, relay)
    await page.get_by_label("Model", exact=True).select_option(label="bytedance/seedream-v4")
    images = page.get_by_role("textbox", name="Input images")
    await images.fill("https://example.com/1.jpg\n\ncat.jpg")
    await page.get_by_label("Maximum number").fill("99")
    await page.get_by_role("button", name="Start", exact=True).click()

    await expect(page.locator("#start .problem")).to_contain_text("The task was not started.")
    assert [text for text in await page.locator(".wrong").all_text_contents() if text] == [
        "Input images (entry 2) must be a URL that begins with https:// or http://.",
        "Prompt is required.",
        "Maximum number of output images must be between 1 and 15.",
    ]
    await expect(images).to_be_focused()
    await expect(images).to_have_attribute("aria-invalid", "true")
    assert not sandbox.runs
    await images.fill("https://example.com/1.jpg\nhttps://example.com/2.jpg")
    await expect(images).not_to_have_attribute("aria-invalid", "true")
    await page.get_by_label("Prompt", exact=True).fill("Both in one picture.")
    await page.get_by_label("Maximum number").fill("2")
    await page.get_by_role("button", name="Start", exact=True).click()
    await expect(page.locator("#list li")).to_have_count(1)
    (run,) = sandbox.runs
    sent = {field.name: field.value for field in run.fields}
    assert sent["inputImage"] == ["https://example.com/1.jpg", "https://example.com/2.jpg"]
    assert sent["maxImages"] == 2


async def test_form_and_json_edit_the_same_input(relay: Running, page: Page) -> None:
    """The prompt is kept when another model is chosen."""
    await sign_in(page, relay)
    await page.get_by_label("Model", exact=True).select_option(label="bytedance/text-to-image-seedream-v3")
    await page.get_by_label("Prompt", exact=True).fill("A lake.")
    await page.get_by_label("Edit as JSON").check()
    written = json.loads(await page.get_by_label("Input as JSON").input_value())
    assert written == {
        "prompt": "A lake.",
        "size": "1024x1024",
        "watermark": "false",
        "guidanceScale": "1",
        "seed": "1969632740",
    }
    await page.get_by_label("Input as JSON").fill('{"prompt": "A hill.", "size": "512x512"}')
    await page.get_by_label("Edit as JSON").uncheck()
    await expect(page.get_by_label("Size")).to_have_value("512x512")
    await expect(page.get_by_label("Seed")).to_have_value("1969632740")
    await page.get_by_label("Model", exact=True).select_option(label="bytedance/image-to-video-seedance-v1")

    await expect(page.get_by_label("Prompt", exact=True)).to_have_value("A hill.")


async def test_texts_of_the_catalogue_are_never_markup(relay: Running, page: Page) -> None:
    """Labels, help, options and samples are shown as text."""
    attack = "<img src=x onerror=alert(1)>"
    one = {"name": "x", "label": attack, "help": attack, "type": "select", "required": True, "default": None}
    one |= {"options": [{"value": attack, "label": attack}], "limits": {}}
    model = {"model": attack, "provider": "wiro", "available": True, "title": attack, "description": attack}
    model |= {"inputs": [one], "inspires": [{"x": attack}], "schema": {}}
    await page.route("**/v1/models", lambda route: route.fulfill(json={"models": [model]}))
    await sign_in(page, relay)

    await expect(page.get_by_label(attack)).to_be_visible()
    await expect(page.locator("#start .chip")).to_have_text(attack)
    await expect(page.locator("#start img")).to_have_count(0)


async def test_the_form_fits_a_phone(relay: Running, page: Page) -> None:
    """Nothing is wider than the screen."""
    await page.set_viewport_size({"width": 360, "height": 740})
    await sign_in(page, relay)
    await page.get_by_role("heading", name="Start a task").click()
    await expect(page.locator("#start .chip")).to_have_count(5)

    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_an_unknown_model_is_reported_with_its_name(relay: Running, page: Page, complaints: list[str]) -> None:
    """The fields of the problem document are shown beside the form."""
    complaints.append(f"{HTTP_ERROR}4")
    await sign_in(page, relay)
    await page.get_by_label("Model", exact=True).select_option(label="another model…")
    await page.get_by_label("Model name").fill("nobody/nothing")
    await page.get_by_role("button", name="Start", exact=True).click()

    await expect(page.locator("#start .problem")).to_contain_text("slug-owner-project-not-exist")


async def test_the_dashboard_says_which_node_answers(make_relay: MakeRelay, page: Page) -> None:
    """If it has a name. A viewer of a tag does not learn it."""
    async with make_relay(node="node-7") as relay:
        await sign_in(page, relay)
        await expect(page.locator("#node")).to_have_text("Answered by node-7")
        token, _ = relay.context.access.mint_tag("shop", scope="view", ttl_s=60)
        answer = await page.request.get(f"{relay.url}/v1/tasks?tag=shop", headers={"Authorization": f"Bearer {token}"})
        assert await answer.json() == {"tasks": [], "next": None}
        await page.goto("about:blank")
