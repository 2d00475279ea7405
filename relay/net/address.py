"""Validate the addresses in settings: the address to listen on, platform URLs and the public URL."""

import re
from ipaddress import ip_address

from pydantic import AnyHttpUrl

from relay.net.origin import host_and_port

_SPACE = re.compile(r"\s")
_BARE = re.compile(r"[\w.-]+(?::\d+)?(?:/\S*)?")
"""A URL without its scheme."""


def checked_rest(text: str) -> str:
    """
    Return an HTTP or HTTPS URL unchanged.

    Raises:
        ValueError: the URL cannot be used. The message quotes no part that may hold a password.
    """
    return _checked(text, "https", "http")


def checked_socket(text: str) -> str:
    """
    Return a WebSocket URL unchanged.

    Raises:
        ValueError: the URL cannot be used. The message quotes no part that may hold a password.
    """
    return _checked(text, "wss", "ws")


def _checked(text: str, *schemes: str) -> str:
    example = f"{schemes[0]}://api.example.com/v1"
    scheme, separator, rest = text.partition("://")
    if "@" in rest.partition("/")[0]:
        raise ValueError(f"a user name or password in the URL is not supported; use a URL such as {example}")
    if not separator and _BARE.fullmatch(text):
        raise ValueError(f"{text} has no scheme; use {schemes[0]}://{text}, or {schemes[1]}://")
    if not separator or not scheme.isalnum() or _SPACE.search(text):
        raise ValueError(f"{text or 'an empty value'} is not a URL; use a URL such as {example}")
    if scheme.lower() not in schemes:
        raise ValueError(f"{text} starts with {scheme}://; use {' or '.join(f'{each}://' for each in schemes)}")
    if "?" in rest or "#" in rest:
        raise ValueError(f"{text} has a query or a fragment; remove it, because paths are appended to the URL")
    host, _ = host_and_port(text, rest.partition("/")[0])
    if "*" in host:
        raise ValueError(f"{text} has a wildcard; use the URL of one server, such as {example}")
    return text


def checked_public(url: AnyHttpUrl | None) -> AnyHttpUrl | None:
    """
    Return the public URL of the relay unchanged.

    Raises:
        ValueError: the URL has a part that the relay cannot build links with.
    """
    if url is None:
        return None
    if url.query is not None or url.fragment is not None or url.username or url.password:
        raise ValueError("use scheme, host and optionally port and path; without user name, query and fragment")
    if "*" in (url.host or ""):
        raise ValueError("a wildcard is not allowed; use the host name under which clients reach the relay")
    return url


def checked_host(text: str) -> str:
    """
    Return a host to listen on, an IPv6 address without brackets.

    Raises:
        ValueError: the value is not a host.
    """
    host = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if ":" in host and "://" not in host:
        try:
            ip_address(host)
        except ValueError:
            raise ValueError(f"{text} is not an IP address; set the port with RELAY_PORT") from None
    elif re.search(r"[\s/:*]", host):
        raise ValueError(f"{text} is not a host; use an address such as 127.0.0.1, or 0.0.0.0 for all addresses")
    return host
