"""The example recording of docs/sandbox.md, played with the documented command and a relay in front of it."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from relay.app import running
from relay.config import Config
from relay.sandbox.recording.lines import CALLS
from relay.sandbox.recording.placeholders import NAMES

DOCS = Path(__file__).parents[3] / "docs/sandbox.md"
API_KEY = "a-management-key-for-tests"


def section() -> str:
    return DOCS.read_text(encoding="utf-8").split("## Play a recording")[1].split("\n## ")[0]


@pytest.fixture
async def printed(tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    """Play the documented recording with the documented command; return the settings that it prints."""
    example = re.search(r"```json\n(.*?)```", section(), re.DOTALL)
    assert example
    (tmp_path / "late.jsonl").write_text(example[1], encoding="utf-8")
    arguments = ("-m", "relay", "sandbox", "--script", str(tmp_path / "late.jsonl"), "--port", "0", "--speed", "4")
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
    assert process.stdout
    settings: dict[str, str] = {}
    while "RELAY_MEDIA_SOURCES" not in settings:
        line = await process.stdout.readline()
        assert line
        settings |= dict(re.findall(r"(\w+)=(\S+)", line.decode()))
    yield settings
    process.terminate()
    await process.wait()


async def test_the_documented_recording_works(printed: dict[str, str]) -> None:
    """The relay follows the task to its end, despite the 502 and the frame that is not JSON."""
    settings = {
        "RELAY_PORT": 0,
        "RELAY_STORE": "memory:",
        "RELAY_API_KEYS": API_KEY,
        **{name: value for name, value in printed.items() if name.startswith(("WIRO", "RELAY"))},
    }
    async with (
        running(Config.model_validate(settings)) as relay,
        aiohttp.ClientSession(relay.url, headers={"Authorization": f"Bearer {API_KEY}"}) as http,
    ):
        body = {"model": "lab/pictures", "input": {"prompt": "a cat"}}
        async with http.post("/v1/tasks", json=body) as response:
            assert response.status == 201, await response.text()
            task = (await response.json())["task"]["id"]
        async with http.get(f"/v1/tasks/{task}/events", headers={"Accept": "text/event-stream"}) as stream:
            await stream.read()  # to the end of the task
        async with http.get(f"/v1/tasks/{task}") as response:
            state: dict[str, Any] = await response.json()

    assert state["state"] == "succeeded"


def test_every_channel_and_placeholder_is_documented() -> None:
    """The page names all of them."""
    text = section()

    assert [
        name for name in (*CALLS, "socket", "connect", "cdn", "callback", "record", "clock") if f"`{name}`" not in text
    ] == []
    assert [name for name in NAMES if f"`{{{{{name}}}}}`" not in text] == []
