"""Lighthouse rates the accessibility of the pages with 100 of 100."""

import asyncio
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from relay.app import Running
from tests.e2e import stories
from tests.e2e.conftest import BROWSERS

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.packages]

COMMAND = Path(__file__).parent / "node_modules" / ".bin" / "lighthouse"
"""Installed by .ci/packages."""


async def accessibility(url: str) -> tuple[int, list[str]]:
    """Return the score of a page, and the audits that it fails."""
    flags = "--headless=new --disable-background-networking" + (" --no-sandbox" if os.geteuid() == 0 else "")
    process = await asyncio.create_subprocess_exec(
        COMMAND, url, "--quiet", "--output=json", "--only-categories=accessibility", f"--chrome-flags={flags}",
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"CHROME_PATH": next(filter(None, map(shutil.which, BROWSERS[1:])), "")},
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode == 0
    report: dict[str, Any] = json.loads(output)
    category = report["categories"]["accessibility"]
    audits = (report["audits"][each["id"]] for each in category["auditRefs"])
    failed = [f"{audit['id']}: {audit['title']}" for audit in audits if audit["score"] == 0]
    return round(category["score"] * 100), failed


async def test_every_page_scores_100(relay: Running, view: Callable[[Running, str], str]) -> None:
    """The board and its sign-in, a running and a failed task, the frame, the inspector, and pages without a key."""
    await stories.write(relay)
    running = view(relay, "running")
    for url in (
        f"{relay.url}/",
        f"{relay.url}/#key={relay.api_key}",
        running,
        view(relay, "failed"),
        running.replace("/t/", "/embed/"),
        running.replace("/t/", "/inspect/"),
        f"{relay.url}/insights",
        f"{relay.url}/webhooks",
    ):
        assert await accessibility(url) == (100, []), url
