"""
Which addresses results are read from.

A platform on the internet names results on the internet, over HTTPS. Only where the operator has set the address of the
platform itself to plain HTTP or to a private network, as with the sandbox, may results be there, too.
"""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Self
from urllib.parse import urlsplit

from relay.archive.errors import CopyRefused
from relay.net.public_address import is_public


@dataclass(frozen=True, slots=True)
class Reach:
    """Where the results of a platform may be."""

    plain: bool = False
    """Whether over plain HTTP."""
    private: bool = False
    """Whether on this machine or in a private network."""

    @classmethod
    def of(cls, api_url: str) -> Self:
        """Return what the address of a platform's API implies for its results."""
        parts = urlsplit(api_url)
        host = parts.hostname or ""
        private = host == "localhost" or (_is_address(host) and not is_public(host))
        return cls(plain=parts.scheme == "http", private=private)

    def check(self, url: str) -> None:
        """
        Check an address before a request is sent to it. Names are checked when they are resolved.

        Raises:
            CopyRefused: nothing may be read from it.
        """
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            raise CopyRefused("The address of the file is not valid.") from None
        if parts.scheme != "https" and not (parts.scheme == "http" and self.plain):
            raise CopyRefused(f"The address of the file begins with {parts.scheme}:, not with https:.")
        if not host or parts.username is not None or parts.password is not None:
            raise CopyRefused("The address of the file has a user name, or no host.")
        if not self.private and (host == "localhost" or (_is_address(host) and not is_public(host))):
            raise CopyRefused(f"The file is in a private network, at {host}.")


def _is_address(host: str) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
