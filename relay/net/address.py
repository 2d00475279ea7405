"""Addresses as an operator writes them: where the relay listens, and the servers that it calls."""

import re
from ipaddress import ip_address

from pydantic import AnyHttpUrl

from relay.net.origin import host_and_port

_SPACE = re.compile(r"\s")
_BARE = re.compile(r"[\w.-]+(?::\d+)?(?:/\S*)?")
"""Host, perhaps with port and path: an address but for its scheme."""


def checked_rest(text: str) -> str:
    """
    Return an address that calls can be sent to, as it was written.

    Raises:
        ValueError: no call can be sent there. The message quotes no part that may hold a password.
    """
    return _checked(text, "https", "http")


def checked_socket(text: str) -> str:
    """
    Return an address that a WebSocket can be opened to, as it was written.

    Raises:
        ValueError: none can be opened there. The message quotes no part that may hold a password.
    """
    return _checked(text, "wss", "ws")


def _checked(text: str, *schemes: str) -> str:
    example = f"{schemes[0]}://api.example.com/v1"
    scheme, separator, rest = text.partition("://")
    if "@" in rest.partition("/")[0]:
        raise ValueError(f"a user name or password in the address is not supported; use one such as {example}")
    if not separator and _BARE.fullmatch(text):
        raise ValueError(f"{text} has no scheme; use {schemes[0]}://{text}, or {schemes[1]}://")
    if not separator or not scheme.isalnum() or _SPACE.search(text):
        raise ValueError(f"{text or 'an empty text'} is not an address; use one such as {example}")
    if scheme.lower() not in schemes:
        raise ValueError(f"{text} begins with {scheme}://; use {' or '.join(f'{each}://' for each in schemes)}")
    if "?" in rest or "#" in rest:
        raise ValueError(f"{text} has a query or a fragment; leave it out, since paths are appended to the address")
    host, _ = host_and_port(text, rest.partition("/")[0])
    if "*" in host:
        raise ValueError(f"{text} has a wildcard; use the address of one server, such as {example}")
    return text


def checked_public(url: AnyHttpUrl | None) -> AnyHttpUrl | None:
    """
    Return the address under which the outside reaches the relay.

    Raises:
        ValueError: it has a part that no link of the relay can be made with.
    """
    if url is None:
        return None
    if url.query is not None or url.fragment is not None or url.username or url.password:
        raise ValueError("give scheme, host, and where need be port and path; no user name, query or fragment")
    if "*" in (url.host or ""):
        raise ValueError("a wildcard is no address; give the one name under which the outside reaches the relay")
    return url


def checked_host(text: str) -> str:
    """
    Return a host to listen on, an IPv6 address without brackets.

    Raises:
        ValueError: it is no host.
    """
    host = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if ":" in host and "://" not in host:
        try:
            ip_address(host)
        except ValueError:
            raise ValueError(f"{text} is no address; a port goes into RELAY_PORT") from None
    elif re.search(r"[\s/:*]", host):
        raise ValueError(f"{text} is no host; use an address such as 127.0.0.1, or 0.0.0.0 for all of them")
    return host
