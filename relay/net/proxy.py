"""
The egress proxy: which calls to a platform go through one, by the variables that curl and Go read, too.

`HTTPS_PROXY` is for https and wss, `HTTP_PROXY` for http and ws, and `NO_PROXY` names the hosts that are reached
directly. What is on this machine never goes through a proxy.
"""

from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Self
from urllib.parse import quote, urlsplit

from relay.net.origin import host_and_port

_USER_INFO = ":%!$&'()*+,;=-._~"
"""What may stand before the @ of an address as it is (RFC 3986 section 3.2.1)."""

_DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


@dataclass(frozen=True, slots=True)
class Proxy:
    """The address of a proxy, perhaps with a user name and a password, which are shown nowhere."""

    url: str = field(repr=False)

    @classmethod
    def read(cls, text: str) -> Self:
        """
        Read what a variable holds: an address, or host and port alone.

        Raises:
            ValueError: it is no address of an HTTP proxy. The message does not quote it: it may hold a password.
        """
        scheme, separator, rest = text.partition("://")
        if not separator:
            scheme, rest = "http", text
        if scheme.lower() not in ("http", "https"):
            raise ValueError(
                f"a proxy that speaks {scheme} is not supported; use http://HOST:PORT or https://HOST:PORT"
            )
        user, at, address = rest.rpartition("@")
        address, _, path = address.partition("/")
        host, port = host_and_port("the address of the proxy", address)
        if path or "*" in host or "?" in address or "#" in address:
            raise ValueError("give the proxy's scheme, host and port, and nothing behind them")
        if at and ":" not in user:
            user += ":"  # an empty password, without which the socket's library sends no user name either
        shown_port = "" if port is None else f":{port}"
        return cls(f"{scheme.lower()}://{quote(user, safe=_USER_INFO)}{at}{host}{shown_port}")

    def __str__(self) -> str:
        scheme, _, rest = self.url.partition("://")
        return f"{scheme}://{rest.rpartition('@')[2]}"


def read_proxy(value: object) -> object:
    """
    Read the value of a setting. Empty is unset.

    Raises:
        ValueError: as `Proxy.read`.
    """
    if not isinstance(value, str):
        return value
    return Proxy.read(value.strip()) if value.strip() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxies:
    """The proxies that are set, and what they are not for."""

    http: Proxy | None = None
    https: Proxy | None = None
    direct: tuple[str, ...] = ()
    """Names, domains, addresses, networks, each perhaps with a port; `*`: everything."""

    def way_to(self, url: str) -> Proxy | None:
        """Return the proxy through which a url is reached; null: directly, or not at all."""
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
    """Say whether an entry of `NO_PROXY` stands for a host. One that nobody understands stands for none."""
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
