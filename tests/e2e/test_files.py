"""Files in the form that starts a task: chosen or dropped, and sent as multipart form data."""

import json
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

import pytest
from playwright.async_api import FilePayload, Page, Request, Route, expect

from relay.app import Running
from relay.sandbox import Sandbox, pictures

pytestmark = pytest.mark.asyncio(loop_scope="session")

MODEL = "bytedance/seedream-v4"
PNG = pictures.draw("files", 32, 24)
ACCEPT = ["image/png", "image/jpeg"]

DROP = """(place) => {
  const dropped = new DataTransfer();
  dropped.items.add(new File(["dropped"], "dropped.png", { type: "image/png" }));
  place.dispatchEvent(new DragEvent("drop", { dataTransfer: dropped, bubbles: true, cancelable: true }));
}"""


def picture(name: str) -> FilePayload:
    """Return a picture as the file dialog provides it."""
    return {"name": name, "mimeType": "image/png", "buffer": PNG}


def parts(request: Request) -> list[tuple[str, str | None, str, bytes]]:
    """Return the parts of a form: name, filename, type, content."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + (request.post_data_buffer or b""))
    found = []
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        assert isinstance(name, str)
        assert isinstance(content, bytes)
        found.append((name, part.get_filename(), part.get_content_type(), content))
    return found


def offering(*inputs: dict[str, Any]) -> dict[str, Any]:
    """Return a catalogue with one model that has these inputs."""
    common = {"help": "", "required": False, "default": None, "options": [], "limits": {}, "part": None, "accept": []}
    model = {"model": MODEL, "provider": "wiro", "available": True, "title": "", "description": "", "inspires": []}
    return {"models": [model | {"inputs": [common | each for each in inputs], "schema": {}}]}


async def sign_in(page: Page, relay: Running) -> None:
    await page.goto(f"{relay.url}/#key={relay.api_key}")
    await expect(page.get_by_role("heading", name="Start a task")).to_be_visible()


async def start(page: Page, *errors: dict[str, str]) -> Request:
    """Press the button, answer its request with 422 in the relay's place, and return the request."""
    made: list[Request] = []

    async def refuse(route: Route) -> None:
        if route.request.method != "POST":
            await route.fallback()
            return
        made.append(route.request)
        await route.fulfill(status=422, json={"title": "Invalid input", "status": 422, "detail": "", "errors": errors})

    await page.route("**/v1/tasks", refuse)
    await page.get_by_role("button", name="Start", exact=True).click()
    await expect(page.locator("#start .problem")).to_contain_text("Invalid input")
    return made[0]


async def test_files_and_urls_are_sent_together(relay: Running, page: Page, complaints: list[str]) -> None:
    """The part `task` comes first, each file is a part named after its input, URLs stay in the JSON."""
    complaints.append("422")
    listing = {"name": "images", "label": "Images", "type": "combinefileinput", "part": "images", "accept": ACCEPT}
    await page.route("**/v1/models", lambda route: route.fulfill(json=offering(listing)))
    await sign_in(page, relay)
    chooser = page.get_by_label("Images: choose files")
    await expect(chooser).to_have_attribute("accept", "image/png,image/jpeg")
    await chooser.set_input_files([picture("one.png"), picture("two.png")])
    await page.locator(".files").evaluate(DROP)
    await expect(page.locator(".files li")).to_have_count(3)
    await page.get_by_role("button", name="Remove two.png").press("Enter")
    await page.get_by_role("textbox", name="Images").fill("https://example.com/three.png")

    request = await start(page)

    (name, filename, _, task), *files = parts(request)
    assert (name, filename) == ("task", None)
    assert json.loads(task) == {
        "model": MODEL,
        "provider": "wiro",
        "input": {"images": ["https://example.com/three.png"]},
    }
    assert files == [
        ("images", "one.png", "image/png", PNG),
        ("images", "dropped.png", "image/png", b"dropped"),
    ]
    assert request.headers["authorization"] == f"Bearer {relay.api_key}"
    assert request.headers["idempotency-key"]


async def test_a_file_replaces_the_url_of_its_input(relay: Running, page: Page, complaints: list[str]) -> None:
    """A `fileinput` takes a file or a URL; the part's name differs from the input's."""
    complaints.append("422")
    single = {"name": "imageUrl", "label": "First frame", "type": "fileinput", "part": "image", "required": True}
    await page.route("**/v1/models", lambda route: route.fulfill(json=offering(single)))
    await sign_in(page, relay)
    address = page.get_by_role("textbox", name="First frame")
    await address.fill("https://example.com/one.png")
    await page.get_by_label("First frame: choose a file").set_input_files(picture("one.png"))
    await expect(address).to_be_hidden()

    request = await start(page, {"field": "input.image", "message": "the file is empty"})

    (_, _, _, task), *files = parts(request)
    assert json.loads(task)["input"] == {}
    assert files == [("image", "one.png", "image/png", PNG)]
    await expect(page.locator(".wrong")).to_have_text("First frame the file is empty.")


async def test_urls_alone_are_sent_as_json(relay: Running, page: Page, complaints: list[str]) -> None:
    """Several URLs of a `multifileinput` are joined by commas."""
    complaints.append("422")
    several = {"name": "clipsUrl", "label": "Clips", "type": "multifileinput", "part": "clips"}
    await page.route("**/v1/models", lambda route: route.fulfill(json=offering(several)))
    await sign_in(page, relay)
    await page.get_by_role("textbox", name="Clips").fill("https://example.com/1.mp4\nhttps://example.com/2.mp4")
    await page.get_by_role("textbox", name="Tags").fill("spring, retry")

    request = await start(page)

    assert request.headers["content-type"] == "application/json"
    assert request.post_data_json == {
        "model": MODEL,
        "provider": "wiro",
        "input": {"clipsUrl": "https://example.com/1.mp4,https://example.com/2.mp4"},
        "tags": ["spring", "retry"],
    }


async def test_a_file_reaches_the_platform(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """The simulated platform receives it with its name."""
    await sign_in(page, relay)
    await page.get_by_label("Model", exact=True).select_option(label=MODEL)
    await page.get_by_label("Prompt", exact=True).fill("The same, in snow.")
    await page.get_by_label("Input images: choose files").set_input_files(picture("village.png"))
    await page.get_by_role("button", name="Start", exact=True).click()

    await expect(page.locator('#list li[data-state="succeeded"]')).to_have_count(1)
    (run,) = sandbox.runs
    assert "village.png" in repr(run)


async def test_a_refused_file_is_reported_at_its_input(
    sandbox: Sandbox, relay: Running, page: Page, complaints: list[str]
) -> None:
    """Nothing is started."""
    complaints.append("422|ERR_")
    await sign_in(page, relay)
    await page.get_by_label("Model", exact=True).select_option(label=MODEL)
    await page.get_by_label("Prompt", exact=True).fill("The same, in snow.")
    text: FilePayload = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"not a picture"}
    await page.get_by_label("Input images: choose files").set_input_files(text)
    await page.get_by_role("button", name="Start", exact=True).click()

    await expect(page.locator(".wrong", has_text="takes files of")).to_be_visible()
    assert not sandbox.runs


PASTE = """(place) => {
  const pasted = new DataTransfer();
  pasted.items.add(new File(["pasted"], "pasted.png", { type: "image/png" }));
  place.dispatchEvent(new ClipboardEvent("paste", { clipboardData: pasted, bubbles: true, cancelable: true }));
}"""


async def test_any_model_gets_its_form_with_files(sandbox: Sandbox, relay: Running, page: Page) -> None:
    """Its inputs come from the platform. Drafts survive a reload, without files; an earlier task fills the form."""
    await sign_in(page, relay)
    await expect(page.locator("#model option")).to_have_count(5)
    model = page.get_by_label("Model", exact=True)
    await model.select_option(label="another model…")
    await expect(page.get_by_label("Model name")).to_be_focused()
    await page.get_by_label("Model name").fill("wiro/sandbox-collage")
    await expect(page.locator(".files")).to_have_count(3)
    prompt = page.get_by_label("Prompt", exact=True)
    await prompt.fill("Both in one picture.")
    await page.get_by_label("Input image: choose a file").set_input_files(picture("chosen.png"))
    await page.get_by_role("textbox", name="Clothes").evaluate(PASTE)
    await expect(page.locator(".files li")).to_contain_text(["chosen.png", "pasted.png"])
    await page.get_by_role("button", name="Start", exact=True).click()
    await expect(page.locator('#list li[data-state="succeeded"]')).to_have_count(1)
    (run,) = sandbox.runs
    assert "chosen.png" in repr(run)
    assert "pasted.png" in repr(run)

    await page.reload()
    await expect(prompt).to_have_value("Both in one picture.")
    await expect(page.get_by_label("Model name")).to_have_value("wiro/sandbox-collage")
    await model.select_option(label=MODEL)
    await expect(prompt).to_have_value("Both in one picture.")  # there is no draft for this model yet
    await prompt.fill("A lake.")
    answer = await page.request.get(f"{relay.url}/v1/tasks", headers={"Authorization": f"Bearer {relay.api_key}"})
    (task,) = (await answer.json())["tasks"]
    await page.evaluate("task => { location.hash = `edit=${task}`; }", task["id"])

    await expect(prompt).to_have_value("Both in one picture.")
    await expect(page.locator("#start-fold summary")).to_be_focused()
    assert page.url == f"{relay.url}/"
    await model.select_option(label=MODEL)
    await expect(prompt).to_have_value("A lake.")
    await page.get_by_role("button", name="Reset").click()
    await expect(prompt).to_have_value("")
    await page.get_by_role("button", name="Sign out").click()
    assert await page.evaluate("sessionStorage.length") == 0


async def test_the_price_and_the_usual_time_are_beside_the_button(relay: Running, page: Page) -> None:
    """Of the defaults at first, and then of the input, also if it is not complete."""
    usual = {"p50_s": 9, "p90_s": 14, "samples": 46, "cost": {"p50": 0.03, "p90": 0.05, "unit": "usd"}}
    catalogue = offering({"name": "prompt", "label": "Prompt", "type": "textarea"})
    answers = iter([usual, usual | {"p50_s": 40, "cost": None}])
    asked: list[Any] = []

    async def estimate(route: Route) -> None:
        asked.append(route.request.post_data_json)
        await route.fulfill(json={"usual": next(answers)})

    await page.route("**/v1/models", lambda route: route.fulfill(json=catalogue))
    await page.route("**/v1/estimate", estimate)
    await page.clock.install()
    await sign_in(page, relay)
    beside = page.locator("#estimate")
    await page.clock.run_for(1_000)
    await expect(beside).to_have_text("about $0.03, 9.0 s")
    await expect(page.get_by_role("button", name="Start", exact=True)).to_have_accessible_description(
        "about $0.03, 9.0 s"
    )
    await page.get_by_label("Prompt", exact=True).fill("Nine views of a lighthouse")
    await page.get_by_label("Tags").focus()

    await page.clock.run_for(1_000)

    await expect(beside).to_have_text("about 40 s")
    assert asked == [
        {"model": MODEL, "provider": "wiro", "input": given} for given in ({}, {"prompt": "Nine views of a lighthouse"})
    ]
