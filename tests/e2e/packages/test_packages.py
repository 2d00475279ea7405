"""The npm package as applications use it: packed, checked, built by Vite and Next, and run in Chromium."""

import os
import shutil
import subprocess
import tarfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest
from aiohttp import web
from playwright.async_api import Page, expect

from relay.app import Running
from relay.sandbox import Sandbox
from tests.e2e.follow import part, release, start_held, token

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.packages]

MakeRelay = Callable[..., AbstractAsyncContextManager[Running]]

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
MODULES = HERE / "node_modules"
"""Installed by .ci/packages."""

IMPORTS = """
for (const entry of ["", "/element", "/react", "/vue"]) {
  const names = Object.keys(await import(`generation-relay${entry}`));
  if (!names.length) throw new Error(`generation-relay${entry} exports nothing`);
}
"""


def run(*command: str | Path, cwd: Path = HERE / "apps") -> str:
    """Run a command; on failure, fail with what it printed."""
    environment = os.environ | {"NEXT_TELEMETRY_DISABLED": "1"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tool(name: str) -> Path:
    """Return the path of an installed program."""
    return MODULES / ".bin" / name


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build and pack the package, and install it beside the frameworks."""
    folder = tmp_path_factory.mktemp("package")
    run("node", ".ci/package.js", cwd=ROOT)
    run("npm", "pack", "--pack-destination", folder, cwd=ROOT / "clients" / "js")
    (packed,) = folder.glob("*.tgz")
    installed = MODULES / "generation-relay"
    shutil.rmtree(installed, ignore_errors=True)
    with tarfile.open(packed) as files:
        files.extractall(folder, filter="data")
    shutil.copytree(folder / "package", installed)
    return packed


async def test_the_package_is_complete(archive: Path) -> None:
    """For publint and for "Are the types wrong?", for a strict TypeScript compiler, and in Node, without a DOM."""
    run(tool("publint"), "--strict", archive)
    run(tool("attw"), archive, "--profile", "esm-only")
    run(tool("tsc"), "--project", ".")
    run("node", "--input-type=module", "--eval", IMPORTS)


def build_with_vite(name: str, folder: Path) -> Path:
    run(tool("vite"), "build", name, "--config", "vite.config.js", "--outDir", folder, "--emptyOutDir")
    return folder


def build_with_next(bundler: str) -> Path:
    """Build the application, which renders its page in Node."""
    application = HERE / "apps" / "next"
    run(tool("next"), "build", bundler, cwd=application)
    page = (application / "out" / "index.html").read_text(encoding="utf-8")
    assert "Loading" in page
    return application / "out"


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[str]:
    """Serve a folder, and yield the origin."""
    app = web.Application()
    app.router.add_static("/", folder)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.usefixtures("archive")
@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda folder: build_with_vite("react", folder), id="vite-react"),
        pytest.param(lambda folder: build_with_vite("vue", folder), id="vite-vue"),
        pytest.param(lambda _: build_with_next("--turbopack"), id="next"),
        pytest.param(lambda _: build_with_next("--webpack"), id="next-webpack"),
    ],
)
async def test_an_application_shows_a_task_and_a_board(
    build: Callable[[Path], Path], tmp_path: Path, sandbox: Sandbox, make_relay: MakeRelay, page: Page
) -> None:
    """By a hook, by a component that loads the element, and by a board; all of them to the end."""
    async with site(build(tmp_path / "site")) as origin, make_relay(allowed_origins=(origin,)) as relay:
        task = await start_held(relay, sandbox, "shop")
        tag_token, _ = relay.context.access.mint_tag("shop", scope="view", ttl_s=600)
        address = {
            "base": relay.url,
            "task": task.id,
            "token": token(relay, task),
            "tag": "shop",
            "tagToken": tag_token,
        }

        await page.goto(f"{origin}/index.html#{urlencode(address)}")

        await expect(page.locator("#state")).to_have_text("running (live)")
        await expect(page.locator("#board li")).to_have_count(1)
        await expect(part(page, "connection")).to_have_text("live")
        await expect(part(page, "card")).to_have_css("display", "grid")
        release(sandbox, task)
        await expect(page.locator("#state")).to_have_text("succeeded (ended)")
        await expect(page.locator("#ended")).to_have_text("succeeded")
        await expect(part(page, "state")).to_have_text("Succeeded")
