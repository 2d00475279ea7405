"""One attempt to send a webhook: what is sent, what counts as an answer, and where a caller's URL must not lead."""

import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from relay.journal.outbox import Webhook
from relay.net.public_address import is_public
from relay.net.receiver_url import normalized_host
from relay.net.webhook_signature import read_secret
from relay.webhooks.receivers import Receivers
from relay.webhooks.sender import Answer, Sender
from tests.webhooks.receiver import SECRET, Receiver, answer, cut, hang

CERTIFICATES = Path(__file__).parents[1] / "certificates"

BODY = b'{"type":"task.done","data":{"id":"a"}}'

Send = Callable[..., Awaitable[Answer]]


class Names(AbstractResolver):
    """Resolves these names, and notes which ones it was asked for."""

    def __init__(self, names: Mapping[str, Sequence[str]]) -> None:
        self.names = names
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        if host not in self.names:
            raise OSError("unknown")
        return [
            ResolveResult(
                hostname=host, host=each, port=port, family=socket.AF_INET6 if ":" in each else family, proto=0, flags=0
            )
            for each in self.names[host]
        ]

    async def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
async def send() -> AsyncIterator[Send]:
    """Send a webhook to a URL. Keyword arguments are those of `Sender`; `urls` and `hosts` are the settings."""
    async with AsyncExitStack() as opened:

        async def send_one(url: str, *, urls: Sequence[str] = (), hosts: Sequence[str] = (), **given: object) -> Answer:
            receivers = Receivers(urls=tuple(urls), hosts=tuple(hosts))
            sender = Sender(receivers, [read_secret(SECRET)], time.time, **given)  # type: ignore[arg-type]
            await opened.enter_async_context(sender)
            return await sender.send(
                Webhook(id="msg_1", task="a", url=url, type="task.done", body=BODY, created_at=1.0)
            )

        yield send_one


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as running:
        yield running


async def test_a_receiver_verifies_what_it_is_sent(receiver: Receiver, send: Send) -> None:
    """The URL of an operator may be in a private network."""
    url = f"{receiver.url}?from=relay"
    assert await send(url, urls=[url]) == Answer(status=200, text="HTTP 200")
    assert receiver.accepted == [{"type": "task.done", "data": {"id": "a"}}]
    assert receiver.paths == ["/hook?from=relay"]


async def test_only_a_response_counts_and_its_body_is_not_read(receiver: Receiver, send: Send) -> None:
    """An endless response, a missing one and a broken connection end in time."""

    async def endless() -> web.Response:
        return web.Response(status=503, body=b"x" * 10_000_000, headers={"Retry-After": "7"})

    async def asked(**given: object) -> Answer:
        return await send(receiver.url, urls=[receiver.url], **given)

    receiver.next.extend([endless, answer(500), hang, cut])
    assert await asked() == Answer(status=503, text="HTTP 503", retry_after_s=7.0)
    assert await asked() == Answer(status=500, text="HTTP 500")
    assert await asked(timeout_s=0.2) == Answer(status=None, text="no answer within 0.2 s")
    assert (await asked()).status in (None, 500)
    assert receiver.accepted == []


async def test_a_receiver_that_is_not_there_is_described(send: Send) -> None:
    """Without quoting the URL, which may contain a secret."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/secret"
    assert await send(url, urls=[url]) == Answer(status=None, text="its host cannot be reached")
    missing = "http://no-such-host.invalid/secret"
    assert await send(missing, urls=[missing]) == Answer(status=None, text="its host does not resolve")


# A caller's URL


async def test_a_url_is_refused_once_the_settings_do_not_allow_it(receiver: Receiver, send: Send) -> None:
    """Plain HTTP is never allowed for a caller's URL, and a removed setting counts at once."""
    for url in (receiver.url, "https://user@hooks.example.com/", "https://other.example.com/"):
        found = await send(url, hosts=["hooks.example.com:443", f"127.0.0.1:{receiver.port}"])
        assert found == Answer(status=None, text="the settings do not allow its URL any more", allowed=False)
    assert receiver.paths == []


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "169.254.169.254",
        "10.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fd00::1]",
    ],
)
async def test_an_address_of_a_private_network_is_refused(host: str, send: Send) -> None:
    """In each form; nothing is resolved or connected to."""
    names = Names({})
    found = await send(f"https://{host}/", hosts=[normalized_host(host)], resolver=names)
    assert found == Answer(status=None, text="its host leads to a private network")
    assert names.asked == []


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["8.8.8.8", "127.0.0.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["2002:7f00:1::1"],
        ["169.254.169.254"],
        ["fe80::1%1"],
    ],
)
async def test_a_name_that_leads_to_a_private_network_is_refused(
    addresses: list[str], receiver: Receiver, send: Send
) -> None:
    """Even if only one of its addresses does."""
    host = f"hooks.example.com:{receiver.port}"
    found = await send(f"https://{host}/", hosts=[host], resolver=Names({"hooks.example.com": addresses}))
    assert found == Answer(status=None, text="its host leads to a private network")
    assert receiver.paths == []


async def test_localhost_is_refused_as_the_system_resolves_it(receiver: Receiver, send: Send) -> None:
    """With the resolver that a relay uses."""
    host = f"localhost:{receiver.port}"
    found = await send(f"https://{host}/", hosts=[host])
    assert found == Answer(status=None, text="its host leads to a private network")


@pytest.fixture
async def secure() -> AsyncIterator[tuple[int, list[str], ssl.SSLContext]]:
    """Serve HTTPS as api.wiro.test; return the port, the paths that were asked for, and who trusts it."""
    paths: list[str] = []

    async def receive(request: web.Request) -> web.Response:
        paths.append(f"{request.host}{request.path}")
        if request.path == "/redirect":
            raise web.HTTPTemporaryRedirect(f"https://{request.host}/private")
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receive)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "platform.pem")
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    yield runner.addresses[0][1], paths, ssl.create_default_context(cafile=CERTIFICATES / "ca.pem")
    await runner.cleanup()


async def test_the_address_that_was_checked_is_connected_to(
    secure: tuple[int, list[str], ssl.SSLContext], send: Send
) -> None:
    """It is resolved once for an attempt, and the certificate is that of the name. A redirect is not followed."""
    port, paths, tls = secure
    names = Names({"api.wiro.test": ["127.0.0.1"], "other.wiro.test": ["127.0.0.1"]})
    checked: list[str] = []

    def is_allowed(address: str) -> bool:
        checked.append(address)
        return is_public(address) or address == "127.0.0.1"

    hosts = [f"api.wiro.test:{port}", f"other.wiro.test:{port}"]
    given = {"hosts": hosts, "resolver": names, "is_allowed": is_allowed, "tls": tls}

    assert (await send(f"https://{hosts[0]}/hook", **given)).status == 200
    assert (names.asked, checked) == (["api.wiro.test"], ["127.0.0.1"])
    assert (await send(f"https://{hosts[0]}/redirect", **given)).status == 307
    assert await send(f"https://{hosts[1]}/hook", **given) == Answer(status=None, text="TLS failed")
    assert paths == [f"{hosts[0]}/hook", f"{hosts[0]}/redirect"]
