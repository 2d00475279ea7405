"""`relay check --diagnose`: which relay it asks, with which key, and what it says if there is no answer."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from typer.testing import CliRunner

from relay.app import Running
from relay.cli.check import check_readiness
from relay.cli.diagnose import ATTEMPTS, ask
from relay.cli.documentation import page
from relay.cli.main import cli
from relay.config import Config
from relay.errors import RelayError
from tests.conftest import API_KEY
from tests.preloaded import Preloaded
from tests.shell import Shell, one_line, printed


@pytest.fixture
def shell(tmp_path: Path, preloaded: Preloaded) -> Shell:
    return Shell(tmp_path, preloaded)


async def test_it_asks_with_the_key_that_the_relay_has_generated(shell: Shell) -> None:
    """And exits with 1 and prints a line for what is wrong, with the page about it."""
    async with shell.started("serve", RELAY_PORT="0") as process:
        url = await printed(process, r"listens on (\S+)")
        async with (
            aiohttp.ClientSession(url) as client,
            client.get("/livez", headers={"X-Forwarded-For": "203.0.113.9"}),
        ):
            pass
        ended = await shell.run("check", "--diagnose", "--url", url)
    assert ended.code == 1
    assert "RELAY_TRUSTED_PROXIES" in ended.out
    assert f"See {page('diagnosing.md#the-proxy-is-misconfigured')}" in ended.out
    assert page("").startswith("https://")


def checked(*arguments: str) -> str:
    """Return what the command prints about arguments that it does not accept."""
    ended = CliRunner().invoke(cli, ["check", *arguments], env={"TERM": "dumb", "COLUMNS": "200"})
    assert ended.exit_code == 2
    return ended.output


def test_an_address_is_for_a_running_relay() -> None:
    """The other checks are about this machine's settings, and an address has a scheme."""
    assert "only --ready and --diagnose take an address" in checked("--url", "http://127.0.0.1:1")
    assert "127.0.0.1:1 does not begin with http:// or https://" in checked("--diagnose", "--url", "127.0.0.1:1")


async def test_another_relay_is_ready(relay: Running) -> None:
    """By its address."""
    await asyncio.to_thread(check_readiness, relay.url)
    await relay.context.tasks.drain(0)
    with pytest.raises(RelayError, match=r"HTTP 503 on 127.0.0.1 port \d+: .*draining"):
        await asyncio.to_thread(check_readiness, relay.url)


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


async def test_a_relay_that_closes_some_connections_is_found(relay: Running) -> None:
    """One answer by luck is not enough."""
    target, accepted = urlsplit(relay.url), 0

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal accepted
        accepted += 1
        if accepted % 2:
            upstream, sender = await asyncio.open_connection(target.hostname, target.port)
            while data := await reader.read(65_536):
                sender.write(data)
                writer.write(await upstream.read(65_536))
            sender.close()
        writer.close()

    async with await asyncio.start_server(pass_on, "127.0.0.1", 0) as server:
        state = await ask(relay.context.config, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert 0 < state.cut < ATTEMPTS
    assert "no-file-descriptors-are-left" in {each.section for each in state.problems()}


async def test_a_relay_that_drains_is_not_ready(relay: Running) -> None:
    """If nothing else is wrong."""
    await relay.context.tasks.drain(0)
    state = await ask(relay.context.config, relay.url)
    assert state.status == "draining"
    assert any("draining" in each.text or each.section == "everything-is-slow" for each in state.problems())
