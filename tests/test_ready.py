"""The HEALTHCHECK of the Dockerfile, against a relay on any address."""

import asyncio
import json
import re
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.conftest import API_KEY, MakeRelay
from tests.egress import egress
from tests.preloaded import Preloaded
from tests.shell import Ended, Shell, inherited_environment, one_line

ROOT = Path(__file__).parents[1]


@pytest.fixture
def shell(tmp_path: Path, preloaded: Preloaded) -> Shell:
    return Shell(tmp_path, preloaded)


async def health(folder: Path, **settings: str) -> Ended:
    """Run the command of the Dockerfile as Docker does, without a shell."""
    instruction = re.search(
        r"^HEALTHCHECK (?:.*\\\n)?.*?CMD (\[.*\])$", (ROOT / "Dockerfile").read_text(), re.MULTILINE
    )
    assert instruction
    program, *arguments = json.loads(instruction[1])
    assert program == "python"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *arguments),
        cwd=folder,
        env=inherited_environment() | settings,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return Ended(code=process.returncode, out=out.decode(), err=err.decode())


@asynccontextmanager
async def serving(make_relay: MakeRelay, host: str) -> AsyncIterator[dict[str, str]]:
    """Serve on an address and a free port; yield the settings."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    async with make_relay(host=host, port=port):
        yield {"RELAY_HOST": host, "RELAY_PORT": port, "RELAY_API_KEYS": API_KEY, "RELAY_STORE": "memory:"}


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::", "::1", "[::1]", "localhost", ""])
async def test_a_ready_relay_is_healthy_on_any_address(host: str, make_relay: MakeRelay, shell: Shell) -> None:
    """`relay check --ready` says the same."""
    async with serving(make_relay, host) as settings:
        ended = await health(shell.folder, **settings)
        said = await shell.run("check", "--ready", **settings)

    assert (ended.code, ended.out, ended.err) == (0, "ready\n", "")
    assert (said.code, said.out, said.err) == (0, "ready\n", "")


async def test_the_health_check_uses_no_proxy(make_relay: MakeRelay, shell: Shell) -> None:
    """Docker's client can set HTTP_PROXY in every container."""
    async with egress() as proxy, serving(make_relay, "0.0.0.0") as settings:
        proxies = dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"), proxy.url)
        ended = await health(shell.folder, **settings, **proxies)

    assert (ended.code, proxy.asked) == (0, [])


async def test_the_health_check_reads_settings_as_serve_does(make_relay: MakeRelay, shell: Shell) -> None:
    """It ignores variables of Kubernetes, removes quotes and reads `.env`."""
    async with serving(make_relay, "127.0.0.1") as settings:
        (shell.folder / ".env").write_text(f"RELAY_PORT={settings.pop('RELAY_PORT')}\n")
        ended = await health(
            shell.folder, **settings | {"RELAY_PORT": "tcp://10.96.0.7:80", "RELAY_HOST": '"127.0.0.1"'}
        )

    assert (ended.code, ended.out) == (0, "ready\n")


async def test_a_missing_relay_is_unhealthy_with_a_reason(shell: Shell, unused_tcp_port: int) -> None:
    """`docker inspect` shows the line."""
    settings = {"RELAY_PORT": str(unused_tcp_port)}
    ended = await health(shell.folder, **settings)
    said = await shell.run("check", "--ready", **settings)

    assert (ended.code, ended.err) == (1, "")
    assert re.fullmatch(rf"no answer on 127.0.0.1 port {unused_tcp_port}: .*refused\n", ended.out)
    assert said.code == 1
    assert f"port {unused_tcp_port}" in one_line(said)


async def test_a_draining_relay_is_unhealthy(make_relay: MakeRelay, shell: Shell) -> None:
    """The line has the response of the relay."""
    async with make_relay() as relay:
        await relay.context.tasks.drain(0)
        port = relay.url.rpartition(":")[2]
        ended = await health(shell.folder, RELAY_PORT=port)

    assert ended.code == 1
    assert f"HTTP 503 on 127.0.0.1 port {port}: " in ended.out
    assert "draining" in ended.out


async def test_invalid_settings_are_unhealthy_with_one_line(shell: Shell) -> None:
    """The line is the same as that of `relay serve`."""
    for settings in ({"RELAY_PORT": "many"}, {"RELAY_PORT": "0"}):
        ended = await health(shell.folder, **settings)
        assert (ended.code, ended.err) == (1, "")
        assert ended.out.startswith("RELAY_PORT")
