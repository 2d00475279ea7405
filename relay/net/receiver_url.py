"""
The URLs that webhooks are sent to, and the hosts that those of callers may have.

Only one spelling of a URL is accepted, so that no two parsers can disagree about its host.
"""

import re
from dataclasses import dataclass
from typing import Final, Self

from relay.net.origin import DEFAULT_PORTS, host_and_port

MAX_CHARS: Final = 2000

_URL: Final = re.compile(r"(https?)://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?(?:[/?][!-~]*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverUrl:
    """A URL that webhooks are sent to. Its path and query may contain a secret."""

    scheme: str
    host: str
    """In lower case; an IPv6 address in brackets."""
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        Parse a URL.

        Raises:
            ValueError: it cannot be used. The message quotes at most its host.
        """
        if len(text) > MAX_CHARS:
            raise ValueError(f"must have at most {MAX_CHARS} characters, not {len(text)}")
        found = _URL.fullmatch(text)
        if found is None or set(text) & set("#\\"):
            raise ValueError(
                "use http:// or https:// with a host in ASCII and optionally a port, a path and a query; "
                "without user name, password, fragment and spaces"
            )
        scheme, name, digits = found.groups()
        address = name if digits is None else f"{name}:{digits}"
        host, port = host_and_port(address, address)
        return cls(scheme=scheme, host=host, port=port or DEFAULT_PORTS[scheme])

    @property
    def literal(self) -> str | None:
        """The IP address that is the host, without brackets; null if the host is a name."""
        if self.host.startswith("["):
            return self.host[1:-1]
        return self.host if re.fullmatch(r"[0-9.]+", self.host) else None

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"


def checked_receiver(text: str) -> str:
    """
    Return the URL of a receiver unchanged.

    Raises:
        ValueError: it cannot be used.
    """
    ReceiverUrl.parse(text)
    return text


def normalized_host(text: str) -> str:
    """
    Return a host that callers may name, with its port: `hooks.example.com:443`, or `*.example.com:443`.

    Raises:
        ValueError: it is not a host, or every host would match.
    """
    if text.strip("*.") == "" or "/" in text or "@" in text:
        raise ValueError(f"{text} is not a host; use hooks.example.com, *.example.com or hooks.example.com:8443")
    host, port = host_and_port(text, text)
    return f"{host}:{port or DEFAULT_PORTS['https']}"


def host_matches(allowed: str, url: ReceiverUrl) -> bool:
    """Return whether a URL has a host and a port that `normalized_host` returned. `*.` stands for any subdomain."""
    host, _, port = allowed.rpartition(":")
    if int(port) != url.port:
        return False
    if host.startswith("*."):
        return url.host.endswith(host[1:]) and url.host != host[1:]
    return url.host == host
