"""The container's HEALTHCHECK, as the Dockerfile has it, against a relay on any address."""

import asyncio
import json
import os
import re
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.conftest import MakeRelay
from tests.egress import egress
from tests.shell import SETTINGS, Ended, Shell, one_line, printed

ROOT = Path(__file__).parents[1]
KEY = "a-key-for-the-health-check"


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


async def health(folder: Path, **settings: str) -> Ended:
    """Run the command of the Dockerfile as Docker does: from its array, without a shell."""
    instruction = re.search(
        r"^HEALTHCHECK (?:.*\\\n)?.*?CMD (\[.*\])$", (ROOT / "Dockerfile").read_text(), re.MULTILINE
    )
    assert instruction
    program, *arguments = json.loads(instruction[1])
    assert program == "python"
    inherited = {name: value for name, value in os.environ.items() if not SETTINGS.match(name)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *arguments),
        cwd=folder,
        env=inherited | settings,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return Ended(code=process.returncode, out=out.decode(), err=err.decode())


@asynccontextmanager
async def serving(shell: Shell, host: str) -> AsyncIterator[dict[str, str]]:
    """Serve on an address, on a port of its own; give the settings that it was started with."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    settings = {"RELAY_HOST": host, "RELAY_PORT": port, "RELAY_API_KEYS": KEY, "RELAY_STORE": "memory:"}
    async with shell.started("serve", **settings) as process:
        await printed(process, r"(listens) on")
        yield settings


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::", "::1", "[::1]", "localhost", ""])
async def test_a_healthy_relay_is_green_on_whatever_address_it_listens(host: str, shell: Shell) -> None:
    """And so says the command for people."""
    async with serving(shell, host) as settings:
        ended = await health(shell.folder, **settings)
        said = await shell.run("check", "--ready", **settings)

    assert (ended.code, ended.out, ended.err) == (0, "ready\n", "")
    assert (said.code, said.out, said.err) == (0, "ready\n", "")


async def test_no_proxy_is_asked_for_the_health_of_the_own_machine(shell: Shell) -> None:
    """Docker's client puts HTTP_PROXY into every container where its configuration names one."""
    async with egress() as proxy, serving(shell, "0.0.0.0") as settings:
        proxies = dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"), proxy.url)
        ended = await health(shell.folder, **settings, **proxies)

    assert (ended.code, proxy.asked) == (0, [])


async def test_kubernetes_variables_and_quotes_do_not_mislead_it(shell: Shell) -> None:
    """It reads the settings as `serve` does, from `.env`, too."""
    async with serving(shell, "127.0.0.1") as settings:
        (shell.folder / ".env").write_text(f"RELAY_PORT={settings.pop('RELAY_PORT')}\n")
        ended = await health(
            shell.folder, **settings | {"RELAY_PORT": "tcp://10.96.0.7:80", "RELAY_HOST": '"127.0.0.1"'}
        )

    assert (ended.code, ended.out) == (0, "ready\n")


async def test_a_relay_that_is_not_there_is_red_and_says_why(shell: Shell, unused_tcp_port: int) -> None:
    """One line, for `docker inspect` and for a person."""
    settings = {"RELAY_PORT": str(unused_tcp_port)}
    ended = await health(shell.folder, **settings)
    said = await shell.run("check", "--ready", **settings)

    assert (ended.code, ended.err) == (1, "")
    assert re.fullmatch(rf"no answer on 127.0.0.1 port {unused_tcp_port}: .*refused\n", ended.out)
    assert said.code == 1
    assert f"port {unused_tcp_port}" in one_line(said)


async def test_a_relay_that_drains_is_red(make_relay: MakeRelay, shell: Shell) -> None:
    """Nothing new should be sent to it: the line has what it answered."""
    async with make_relay() as relay:
        await relay.context.tasks.drain(0)
        port = relay.url.rpartition(":")[2]
        ended = await health(shell.folder, RELAY_PORT=port)

    assert ended.code == 1
    assert f"HTTP 503 on 127.0.0.1 port {port}: " in ended.out
    assert "draining" in ended.out


async def test_settings_that_are_wrong_are_red_in_one_line(shell: Shell) -> None:
    """As `serve` would say."""
    for settings in ({"RELAY_PORT": "many"}, {"RELAY_PORT": "0"}):
        ended = await health(shell.folder, **settings)
        assert (ended.code, ended.err) == (1, "")
        assert ended.out.startswith("RELAY_PORT")
