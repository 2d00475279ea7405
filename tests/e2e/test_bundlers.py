"""The client as a part of an application: bundled, served by another site, under the strictest policy for content."""

import subprocess
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from aiohttp import web
from playwright.async_api import Page, expect

from relay.app import Running
from relay.sandbox import Sandbox
from relay.web.static_files import FILES, VERSIONED
from tests.e2e.follow import part, release, start_held, token, until
from tests.e2e.test_embed import Shop

pytestmark = pytest.mark.asyncio(loop_scope="session")

MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]

ESBUILD = Path(__file__).parents[2] / "node_modules" / ".bin" / "esbuild"
"""Installed by .ci/javascript."""

APPLICATION = """
import { RelayClient } from "./relay.js";
const show = (attributes) => document.body.append(Object.assign(document.createElement("relay-task"), attributes));
window.show = show;
window.follow = (options) => new RelayClient(options);
"""


class Application(Shop):
    """A site that serves a bundle, and allows nothing but its own script and the relay's answers."""

    def __init__(self, script: Path) -> None:
        super().__init__()
        self.script = script.read_text(encoding="utf-8")
        self.relay = ""

    async def page(self, request: web.Request) -> web.Response:
        if request.query_string == "script":
            return web.Response(text=self.script, content_type="text/javascript")
        response = await super().page(request)
        response.headers["Content-Security-Policy"] = (
            f"default-src 'none'; script-src 'self'; connect-src {self.relay} {self.relay.replace('http', 'ws')}; "
            f"img-src data: {self.relay}; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
        )
        return response


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Application:
    """Bundle an application with a saved copy of the client."""
    folder = tmp_path_factory.mktemp("application")
    (folder / "relay.js").write_bytes(FILES[VERSIONED].read_bytes())
    (folder / "app.js").write_text(APPLICATION, encoding="utf-8")
    command = (ESBUILD, "app.js", "--bundle", "--minify", "--format=esm", "--outfile=bundle.js", "--log-level=warning")
    subprocess.run(command, cwd=folder, check=True)
    site = Application(folder / "bundle.js")
    site.body = '<body><script type="module" src="/?script"></script>'
    return site


async def test_a_bundled_element_shows_a_task_with_its_styles(
    application: Application, sandbox: Sandbox, make_relay: MakeRelay, page: Page
) -> None:
    """It needs the address of the relay, and no permission for styles."""
    async with application.open(), make_relay(allowed_origins=(application.origin,)) as relay:
        application.relay = relay.url
        task = await start_held(relay, sandbox)
        await page.goto(application.origin)
        await until(page, "window.show !== undefined")

        await page.evaluate("show", {"base": relay.url, "task": task.id, "token": token(relay, task)})

        await expect(part(page, "connection")).to_have_text("live")
        await expect(part(page, "card")).to_have_css("display", "grid")
        await expect(part(page, "card")).not_to_have_css("border-radius", "0px")
        release(sandbox, task)
        await page.goto("about:blank")


async def test_a_bundled_client_without_an_address_says_what_is_missing(application: Application, page: Page) -> None:
    """It does not ask the site that serves it."""
    application.relay = "http://127.0.0.1:9"
    async with application.open():
        await page.goto(application.origin)
        await until(page, "window.show !== undefined")

        await page.evaluate("show", {"task": "a-task", "token": "a-token"})

        await expect(part(page, "lost")).to_contain_text("The relay's address is missing: set `base`")
        failure = await page.evaluate("try { follow({ task: 'a-task', token: 'a-token' }) } catch (e) { String(e) }")
        assert failure.startswith("TypeError: the relay's address is missing")
