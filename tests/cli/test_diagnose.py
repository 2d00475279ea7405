"""`relay check --diagnose`: which relay it asks, with which key, and what it says if there is no answer."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from relay.app import Running
from relay.cli.diagnose import ask
from relay.config import Config
from relay.errors import RelayError
from tests.conftest import API_KEY
from tests.shell import Shell, one_line, printed


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


async def test_it_asks_with_the_key_that_the_relay_has_generated(shell: Shell) -> None:
    """And exits with 1 and a line for what is wrong."""
    async with shell.started("serve", RELAY_PORT="0") as process:
        url = await printed(process, r"listens on (\S+)")
        async with (
            aiohttp.ClientSession(url) as client,
            client.get("/livez", headers={"X-Forwarded-For": "203.0.113.9"}),
        ):
            pass
        ended = await shell.run("check", "--diagnose", "--url", url)
    assert ended.code == 1
    assert "RELAY_TRUSTED_PROXIES" in ended.err
    assert "See docs/diagnosing.md#the-proxy-is-misconfigured" in ended.err


async def test_an_address_is_for_the_diagnosis_only(shell: Shell) -> None:
    """The other checks are about this machine's settings."""
    ended = await shell.run("check", "--url", "http://127.0.0.1:1")
    assert ended.code == 2


async def test_a_relay_that_does_not_run_is_named(shell: Shell, unused_tcp_port: int) -> None:
    """With its address."""
    ended = await shell.run("check", "--diagnose", RELAY_PORT=str(unused_tcp_port), RELAY_API_KEYS=API_KEY)
    assert ended.code == 1
    assert f"There is no relay at http://127.0.0.1:{unused_tcp_port}" in one_line(ended)


def config(**settings: object) -> Config:
    return Config.model_validate({"store": "memory:"} | settings)


async def test_a_key_is_needed(relay: Running) -> None:
    """A wrong one is not the relay's fault."""
    with pytest.raises(RelayError, match="RELAY_API_KEYS: not set, and there is no store"):
        await ask(config(), relay.url)
    with pytest.raises(RelayError, match=r"returned HTTP 401\. Set RELAY_API_KEYS"):
        await ask(config(api_keys=("another-key-of-enough-characters",)), relay.url)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}",
            "does not respond like a relay",
        ),
        (b"", "closes connections without a response"),
    ],
)
async def test_another_server_is_not_a_relay(answer: bytes, words: str) -> None:
    """And one that closes connections may have no files left."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if answer:
            await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(RelayError, match=words):
            await ask(config(port=port, api_keys=(API_KEY,)), None)


async def test_a_relay_that_drains_is_not_ready(relay: Running) -> None:
    """If nothing else is wrong."""
    await relay.context.tasks.drain(0)
    state = await ask(relay.context.config, relay.url)
    assert state.status == "draining"
    assert any("draining" in each.text or each.section == "everything-is-slow" for each in state.problems())
