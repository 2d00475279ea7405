"""Which call goes through which proxy."""

import pytest

from relay.net.proxy import Proxies, Proxy

PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("written", "url", "shown"),
    [
        ("http://proxy.example:3128", "http://proxy.example:3128", "http://proxy.example:3128"),
        ("proxy.example:3128", "http://proxy.example:3128", "http://proxy.example:3128"),
        ("HTTPS://Proxy.Example", "https://proxy.example", "https://proxy.example"),
        ("http://10.0.0.7:80/", "http://10.0.0.7:80", "http://10.0.0.7:80"),
        ("http://[fd00::7]:3128", "http://[fd00::7]:3128", "http://[fd00::7]:3128"),
        ("http://me:word@proxy.example", "http://me:word@proxy.example", "http://proxy.example"),
        ("http://me:w@rd#1/2@proxy.example", "http://me:w%40rd%231%2F2@proxy.example", "http://proxy.example"),
        ("http://me@proxy.example", "http://me:@proxy.example", "http://proxy.example"),
        ("http://me:w%40rd@proxy.example", "http://me:w%40rd@proxy.example", "http://proxy.example"),
    ],
)
def test_a_proxy_is_read_and_shown_without_its_password(written: str, url: str, shown: str) -> None:
    """As curl reads it: the scheme may be missing, and what a password may not hold is encoded."""
    proxy = Proxy.read(written)

    assert (proxy.url, str(proxy)) == (url, shown)
    assert "w" not in repr(proxy)


@pytest.mark.parametrize(
    ("url", "direct", "proxied"),
    [
        ("https://api.wiro.ai/v1", "", True),
        ("wss://socket.wiro.ai/v1", "", True),
        ("http://api.wiro.ai/v1", "", False),
        ("ws://socket.wiro.ai/v1", "", False),
        ("https://api.wiro.ai/v1", "*", False),
        ("https://api.wiro.ai/v1", "wiro.ai", False),
        ("https://api.wiro.ai/v1", ".wiro.ai", False),
        ("https://api.wiro.ai/v1", "*.wiro.ai", False),
        ("https://API.Wiro.ai/v1", "api.WIRO.ai", False),
        ("https://api.wiro.ai/v1", "api.wiro.ai:443", False),
        ("https://api.wiro.ai/v1", "api.wiro.ai:8443", True),
        ("https://api.wiro.ai/v1", "iro.ai", True),
        ("https://api.wiro.ai/v1", "other.example, api.wiro.ai", False),
        ("https://10.1.2.3/v1", "10.0.0.0/8", False),
        ("https://11.1.2.3/v1", "10.0.0.0/8", True),
        ("https://10.1.2.3/v1", "10.1.2.3", False),
        ("https://10.1.2.3/v1", "10.1.2.3:443", False),
        ("https://[fd00::7]/v1", "fd00::7", False),
        ("https://[fd00::7]/v1", "[fd00::7]:443", False),
        ("https://127.0.0.1:8090/v1", "", False),
        ("https://localhost:8090/v1", "", False),
        ("https://api.localhost:8090/v1", "", False),
        ("https://[::1]:8090/v1", "", False),
        ("https://api.wiro.ai/v1", "., ,:, [, 1.2.3.4.5/6", True),
    ],
)
def test_a_host_is_reached_through_the_proxy_of_its_scheme_or_directly(url: str, direct: str, proxied: bool) -> None:
    """NO_PROXY names domains, addresses and networks; this machine is never behind a proxy."""
    entries = tuple(entry.strip() for entry in direct.split(",") if entry.strip())
    proxies = Proxies(https=Proxy.read(PROXY), direct=entries)

    assert proxies.proxy_for(url) == (Proxy(PROXY) if proxied else None)


def test_each_kind_of_address_has_its_own_proxy() -> None:
    """HTTP_PROXY is for http and ws, HTTPS_PROXY for https and wss."""
    proxies = Proxies(http=Proxy.read("a.example"), https=Proxy.read("b.example"))

    assert proxies.proxy_for("ws://x.example") == proxies.proxy_for("http://x.example") == Proxy("http://a.example")
    assert proxies.proxy_for("wss://x.example") == proxies.proxy_for("https://x.example") == Proxy("http://b.example")
