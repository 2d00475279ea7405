"""A relay that can reach the platforms only through an egress proxy."""

from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from relay.errors import UpstreamUnavailable
from relay.net.proxy import Proxy
from relay.providers.http import HttpClient
from relay.providers.request_body import JsonBody
from relay.sandbox import Sandbox
from tests.egress import CERTIFICATES, EgressProxy, egress, with_tls
from tests.shell import Shell, one_line, printed

KEY = "a-key-for-the-egress-tests"


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


def behind(sandbox: Sandbox, proxy: EgressProxy, *, tls_port: int | None = None) -> dict[str, str]:
    """Return the settings of a relay for which the sandbox is behind the proxy, under names that only it resolves."""
    secure, port = ("s", tls_port) if tls_port is not None else ("", port_of(sandbox.api_url))
    return {
        "WIRO_API_KEY": sandbox.api_key,
        "WIRO_API_SECRET": sandbox.api_secret or "",
        "WIRO_API_URL": f"http{secure}://api.wiro.test:{port}/v1",
        "WIRO_SOCKET_URL": f"ws{secure}://socket.wiro.test:{port}/v1",
        f"HTTP{secure.upper()}_PROXY": proxy.url,
        "SSL_CERT_FILE": str(CERTIFICATES / "ca.pem"),
    }


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "plain"])
async def test_a_task_runs_through_an_egress_proxy_on_both_wires(tls: bool, shell: Shell, sandbox: Sandbox) -> None:
    """REST and the socket go through it, with its password, and the proxy resolves the names."""
    async with (
        egress(word="pass-word") as proxy,
        with_tls(port_of(sandbox.api_url)) as tls_port,
        shell.started(
            "serve",
            RELAY_PORT="0",
            RELAY_API_KEYS=KEY,
            **behind(sandbox, proxy, tls_port=tls_port if tls else None),
        ) as process,
        aiohttp.ClientSession(
            await printed(process, r"listens on (\S+)"), headers={"Authorization": f"Bearer {KEY}"}
        ) as client,
    ):
        body = {"model": "bytedance/seedream-v4", "input": {"prompt": "A lake."}}
        async with client.post("/v1/tasks", json=body) as answer:
            assert answer.status == 201, await answer.text()
            task = (await answer.json())["task"]["id"]
        async with client.get(f"/v1/tasks/{task}/events", headers={"Accept": "text/event-stream"}) as stream:
            log = (await stream.read()).decode()

    assert '"verdict":"succeeded"' in log
    assert '"type":"progress"' in log or '"type":"output"' in log  # it was followed live
    port = tls_port if tls else port_of(sandbox.api_url)
    assert f"CONNECT socket.wiro.test:{port}" in proxy.asked
    assert any(("CONNECT" if tls else "POST") in line and "api.wiro.test" in line for line in proxy.asked)


async def test_check_uses_the_proxy_and_hides_its_password(shell: Shell, sandbox: Sandbox) -> None:
    """It prints the proxy. A wrong password is one line that names the proxy."""
    async with egress(word="pass-word") as proxy, with_tls(port_of(sandbox.api_url)) as tls_port:
        settings = behind(sandbox, proxy, tls_port=tls_port)
        good = await shell.run("check", **settings)
        wrong = await shell.run("check", **settings | {"HTTPS_PROXY": f"http://me:another@127.0.0.1:{proxy.port}"})
        direct = await shell.run("check", **settings | {"NO_PROXY": "other.test, .wiro.test"})

    assert (good.code, good.err) == (0, "")
    assert f"HTTPS_PROXY                http://127.0.0.1:{proxy.port}\n" in good.out
    assert "pass-word" not in good.out
    line = one_line(wrong)
    assert f"through the proxy http://127.0.0.1:{proxy.port}: the proxy answered HTTP 407" in line
    assert "another" not in line
    assert one_line(direct).startswith("relay: wiro: Wiro could not be reached: ")


@pytest.mark.parametrize(
    "refusal", [b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 502 Bad Gateway\r\n\r\n"]
)
async def test_a_request_that_the_proxy_refuses_was_not_sent(refusal: bytes) -> None:
    """So a start can be retried: nothing was billed."""
    async with egress(refusal=refusal) as proxy:
        http = through(Proxy(proxy.url))
        with pytest.raises(UpstreamUnavailable, match="the proxy answered HTTP"):
            await http.send("/Run", JsonBody(b"{}"))
        with pytest.raises(UpstreamUnavailable, match="the proxy answered HTTP"):
            await http.call("GET", "/record")
        await http.close()


async def test_an_unreachable_proxy_is_named(unused_tcp_port: int) -> None:
    """The error points to the proxy and not to the platform."""
    http = through(Proxy.read(f"http://me:pass-word@127.0.0.1:{unused_tcp_port}"))

    with pytest.raises(UpstreamUnavailable) as caught:
        await http.send("/Run", JsonBody(b"{}"))

    assert f"could not be reached through the proxy http://127.0.0.1:{unused_tcp_port}: " in str(caught.value)
    await http.close()


def through(proxy: Proxy) -> HttpClient:
    return HttpClient(
        name="Wiro", setting="WIRO_API_URL", api_url="https://api.wiro.test", timeout_s=5.0, headers=dict, proxy=proxy
    )
