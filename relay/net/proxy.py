"""
Choose the egress proxy of a call to a platform, from the variables that curl and Go read.

`HTTPS_PROXY` applies to https and wss, `HTTP_PROXY` to http and ws. `NO_PROXY` lists hosts that are called directly.
Calls to this machine never use a proxy.
"""

from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Self
from urllib.parse import quote, urlsplit

from relay.net.origin import host_and_port

_USER_INFO = ":%!$&'()*+,;=-._~"
"""The characters that need no escaping in the user info of a URL (RFC 3986 section 3.2.1)."""

_DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


@dataclass(frozen=True, slots=True)
class Proxy:
    """The URL of a proxy. Its user name and password appear in no repr and no log."""

    url: str = field(repr=False)

    @classmethod
    def read(cls, text: str) -> Self:
        """
        Parse the value of a variable: a URL, or a host with an optional port.

        Raises:
            ValueError: the value is not an HTTP proxy URL. The message does not quote it: it may hold a password.
        """
        scheme, separator, rest = text.partition("://")
        if not separator:
            scheme, rest = "http", text
        if scheme.lower() not in ("http", "https"):
            raise ValueError(f"{scheme} proxies are not supported; use http://HOST:PORT or https://HOST:PORT")
        user, at, address = rest.rpartition("@")
        address, _, path = address.partition("/")
        host, port = host_and_port("the proxy URL", address)
        if path or "*" in host or "?" in address or "#" in address:
            raise ValueError("use scheme, host and port of the proxy only, without path and query")
        if at and ":" not in user:
            user += ":"  # without a password, even an empty one, websockets sends no user name either
        shown_port = "" if port is None else f":{port}"
        return cls(f"{scheme.lower()}://{quote(user, safe=_USER_INFO)}{at}{host}{shown_port}")

    def __str__(self) -> str:
        scheme, _, rest = self.url.partition("://")
        return f"{scheme}://{rest.rpartition('@')[2]}"


def read_proxy(value: object) -> object:
    """
    Return a setting's value as a proxy. An empty value means no proxy.

    Raises:
        ValueError: see `Proxy.read`.
    """
    if not isinstance(value, str):
        return value
    return Proxy.read(value.strip()) if value.strip() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxies:
    """The configured proxies, and the hosts that are called without one."""

    http: Proxy | None = None
    https: Proxy | None = None
    direct: tuple[str, ...] = ()
    """Host names, domains, IP addresses and networks, each with an optional port; `*` matches every host."""

    def proxy_for(self, url: str) -> Proxy | None:
        """Return the proxy for a URL, or None for a direct call."""
        parts = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORTS:
            return None
        proxy = self.https if parts.scheme in ("https", "wss") else self.http
        host, port = (parts.hostname or "").rstrip("."), parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
        if proxy is None or _is_local(host) or any(_covers(entry, host, port) for entry in self.direct):
            return None
        return proxy


DIRECT = Proxies()


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _covers(entry: str, host: str, port: int) -> bool:
    """Return whether an entry of `NO_PROXY` matches a host. An invalid entry matches none."""
    entry = entry.lower()
    if entry == "*":
        return True
    try:
        network = ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        pass
    else:
        try:
            return ip_address(host) in network
        except ValueError:
            return False
    name, _, digits = entry.rpartition(":")
    if name and digits.isdecimal():
        return int(digits) == port and _covers(name, host, port)
    domain = entry.removeprefix("*").strip(".")
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))
