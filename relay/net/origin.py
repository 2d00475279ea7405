"""
Origins of web pages (RFC 6454), as browsers send them, and the source lists of a Content-Security-Policy.

A browser writes an origin in one way: scheme and host in lower case, an international name in Punycode, no default
port, no path. What an operator writes is brought into that form, and what no browser sends is refused with the reason.
"""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import SplitResult

import idna

NULL = "null"
"""What a browser sends for a page without an origin of its own: a sandboxed frame, a file."""

MAX_PORT = 65_535

DEFAULT_PORTS = {"http": 80, "https": 443}

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?\.?")
_WITH_PORT = re.compile(r"(?:\[.*\]|[^\[\]:]*):[^\[\]:]*")
_SUBDOMAIN = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.")
_PATH = re.compile(r"[A-Za-z0-9/._~%!$&'()*+=:@-]*")
"""RFC 3986 section 3.3, without what would end a source list."""
_NUMERIC = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?")
"""A host that browsers read as an IPv4 address, and write as four numbers (WHATWG URL, "ends in a number")."""
_NO_PAGE = {"ws": "http", "wss": "https"}
_NO_ORIGIN = ("about", "blob", "data", "file", "ftp", "javascript")
"""Pages of these schemes are sent as null, or as the origin that made them."""
_KEYWORDS = ("self", "none")


def normalized_origin(text: str) -> str:
    """
    Return an origin as browsers send it. `https://*.example.com` stands for all subdomains, of any depth.

    Raises:
        ValueError: no browser sends it.
    """
    if set(text) & set(" \t;\"'"):
        raise ValueError(f"{text} is no origin; separate origins with commas, without quotes")
    if text.lower() == NULL:
        return NULL
    scheme, separator, rest = text.partition("://")
    if rest.strip("/") == "*" or text == "*":
        raise ValueError(f"{text} would let every site in; list the origins, such as https://shop.example.com")
    if not separator or not _SCHEME.fullmatch(scheme):
        host = re.sub(r"(?i)^(?:https?:)?/*", "", text).partition("/")[0]
        raise ValueError(f"{text} has no scheme; use https://{host}, or http://")
    scheme = scheme.lower()
    if scheme in _NO_PAGE:
        raise ValueError(f"{text} is the address of a socket, not of a page; use {_NO_PAGE[scheme]}://{rest}")
    if scheme in _NO_ORIGIN:
        raise ValueError(f"{text} is sent by no browser: the origin of such a page is null, or that of its maker")
    if scheme not in DEFAULT_PORTS:  # an app or an extension: its origin is what it says
        if not rest or not rest.isascii() or not rest.isprintable() or set(rest) & set("/?#@*, "):
            raise ValueError(f"{text} is no origin; use scheme://name, such as capacitor://localhost")
        return f"{scheme}://{rest}"
    address, _, path = rest.partition("/")
    if path or set(address) & set("?#\\"):
        end = address.partition("?")[0].partition("#")[0].partition("\\")[0]
        raise ValueError(f"{text} has a path or a query, and an origin has none; use {scheme}://{end}")
    if "@" in address:
        raise ValueError(f"{text} has a user name, and an origin has none")
    host, port = host_and_port(text, address)
    return f"{scheme}://{host}{_shown_port(scheme, port)}"


def origin_matches(allowed: str, origin: str) -> bool:
    """Say whether a request's origin, exactly as it was sent, is one that `normalized_origin` returned."""
    scheme, _, address = allowed.partition("://")
    if not address.startswith("*."):
        return origin == allowed
    prefix, suffix = f"{scheme}://", address.removeprefix("*.")
    if not (origin.startswith(prefix) and origin.endswith(suffix)):
        return False
    return _SUBDOMAIN.fullmatch(origin, len(prefix), len(origin) - len(suffix)) is not None


def same_address(page: SplitResult, host: str) -> bool:
    """Say whether a page's address, as browsers write it, is that of a `Host` header, whatever its case and port."""
    default = DEFAULT_PORTS.get(page.scheme)
    return default is not None and page.netloc == host.lower().removesuffix(f":{default}")


def normalized_sources(text: str, *, paths: bool = False) -> str:
    """
    Return a source list of a policy with its hosts as browsers compare them.

    Args:
        text: the sources with spaces between them.
        paths: whether a source may name a path: files have one, and a page that embeds is named without.

    Raises:
        ValueError: one of the sources can match nothing, or would end the list.
    """
    sources = [_source(source, paths=paths) for source in text.split()]
    if "'none'" in sources and len(sources) > 1:
        raise ValueError("'none' stands alone: beside other sources it means nothing")
    return " ".join(sources)


def _source(text: str, *, paths: bool) -> str:
    if set(text) & set(";,"):
        raise ValueError(f"{text} has a comma or a semicolon, which ends the list; put spaces between sources")
    word = text.strip("'\"").lower()
    if word in _KEYWORDS:
        if text.lower() != f"'{word}'":
            raise ValueError(f"{text} would be the name of a host; write '{word}' with its quotes")
        return f"'{word}'"
    if text == "*" or (text.endswith(":") and _SCHEME.fullmatch(text[:-1])):
        return text.lower()
    if word == NULL:
        raise ValueError("null matches no page in a policy: a page without an origin can be named by * alone")
    scheme, separator, address = text.rpartition("://")
    if separator and not _SCHEME.fullmatch(scheme):
        raise ValueError(f"{text} has a scheme that is none")
    address, _, path = address.partition("/")
    if path and not paths:
        raise ValueError(
            f"{text} has a path, and a page that embeds is named without; use {text.removesuffix('/' + path)}"
        )
    if not _PATH.fullmatch(path):
        raise ValueError(f"{text} has a path that no policy can hold; leave the query out, and percent-encode the rest")
    path = f"/{path}" if path else ""
    if address == "*":
        return f"{scheme.lower()}{separator}*{path}"
    host, port = host_and_port(text, address.removesuffix(":*"))
    shown = ":*" if address.endswith(":*") else _shown_port(scheme.lower(), port)
    return f"{scheme.lower()}{separator}{host}{shown}{path}"


def host_and_port(text: str, address: str) -> tuple[str, int | None]:
    """
    Return the host as browsers write it, perhaps with a wildcard in front, and the port.

    Args:
        text: what an error calls it.
        address: host and perhaps port.

    Raises:
        ValueError: it is no host, or no port.
    """
    name, _, digits = address.rpartition(":") if _WITH_PORT.fullmatch(address) else (address, "", "")
    port = int(digits) if digits.isdecimal() else None
    if (digits and port is None) or (port is not None and not 1 <= port <= MAX_PORT):
        raise ValueError(f"{text} has the port {digits}; use 1 to {MAX_PORT}")
    if name.startswith("["):
        try:
            return f"[{IPv6Address(name[1:-1] if name.endswith(']') else '').compressed}]", port
        except AddressValueError:
            raise ValueError(f"{text} has an address in brackets that is no IPv6 address") from None
    wildcard = "*." if name.startswith("*.") else ""
    host = _ascii(text, name.removeprefix("*."))
    if "*" in host:
        raise ValueError(f"{text} has a wildcard elsewhere than in front; use https://*.example.com")
    if _NUMERIC.fullmatch(host) and (wildcard or not _is_ipv4(host)):
        raise ValueError(f"{text} ends in a number, and is no IPv4 address as browsers write it, such as 192.168.1.7")
    if not _HOST.fullmatch(host) or ".." in host:
        raise ValueError(f"{text} has no host that a browser could reach")
    return wildcard + host, port


def _is_ipv4(host: str) -> bool:
    try:
        return str(IPv4Address(host)) == host
    except AddressValueError:
        return False


def _ascii(text: str, host: str) -> str:
    """Return a host's name in lower case and, where it is an international one, in Punycode."""
    if host.isascii():
        return host.lower()
    try:
        return idna.encode(host, uts46=True).decode()
    except idna.IDNAError as error:
        raise ValueError(f"{text} has a name that cannot be one on the internet: {error}") from None


def _shown_port(scheme: str, port: int | None) -> str:
    return "" if port is None or port == DEFAULT_PORTS.get(scheme) else f":{port}"
