"""
Normalize web origins (RFC 6454) and the source lists of a Content-Security-Policy.

A browser serializes an origin in one form: lower case, Punycode, no default port and no path. Origins in settings are
converted to that form; an origin that no browser can send is rejected with the reason.
https://www.rfc-editor.org/rfc/rfc6454 and https://www.w3.org/TR/CSP3/
"""

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import SplitResult

import idna

NULL = "null"
"""The origin of a page that has none, such as a sandboxed iframe or a file."""

MAX_PORT = 65_535

DEFAULT_PORTS = {"http": 80, "https": 443}

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?\.?")
_WITH_PORT = re.compile(r"(?:\[.*\]|[^\[\]:]*):[^\[\]:]*")
_SUBDOMAIN = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.")
_PATH = re.compile(r"[A-Za-z0-9/._~%!$&'()*+=:@-]*")
"""RFC 3986 section 3.3, without the characters that end a source list."""
_NUMERIC = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?")
"""A host that browsers parse as an IPv4 address (https://url.spec.whatwg.org/#ends-in-a-number-checker)."""
_NO_PAGE = {"ws": "http", "wss": "https"}
_NO_ORIGIN = ("about", "blob", "data", "file", "ftp", "javascript")
"""Pages with these schemes have the origin `null`, or that of the page that created them."""
_KEYWORDS = ("self", "none")


def normalized_origin(text: str) -> str:
    """
    Return an origin as browsers send it. `https://*.example.com` matches all subdomains, at any depth.

    Raises:
        ValueError: no browser sends this origin.
    """
    if set(text) & set(" \t;\"'"):
        raise ValueError(f"{text} is not an origin; separate origins with commas, without quotes")
    if text.lower() == NULL:
        return NULL
    scheme, separator, rest = text.partition("://")
    if rest.strip("/") == "*" or text == "*":
        raise ValueError(f"{text} would allow every site; list the origins, such as https://shop.example.com")
    if not separator or not _SCHEME.fullmatch(scheme):
        host = re.sub(r"(?i)^(?:https?:)?/*", "", text).partition("/")[0]
        raise ValueError(f"{text} has no scheme; use https://{host}, or http://")
    scheme = scheme.lower()
    if scheme in _NO_PAGE:
        raise ValueError(f"{text} is the URL of a WebSocket, not of a page; use {_NO_PAGE[scheme]}://{rest}")
    if scheme in _NO_ORIGIN:
        raise ValueError(
            f"{text} is never sent by a browser: the origin of such a page is null or that of the page that created it"
        )
    if scheme not in DEFAULT_PORTS:  # an app or a browser extension, which has its own form
        if not rest or not rest.isascii() or not rest.isprintable() or set(rest) & set("/?#@*, "):
            raise ValueError(f"{text} is not an origin; use scheme://name, such as capacitor://localhost")
        return f"{scheme}://{rest}"
    address, _, path = rest.partition("/")
    if path or set(address) & set("?#\\"):
        end = address.partition("?")[0].partition("#")[0].partition("\\")[0]
        raise ValueError(f"{text} has a path or a query, which an origin does not have; use {scheme}://{end}")
    if "@" in address:
        raise ValueError(f"{text} has a user name, which an origin does not have")
    host, port = host_and_port(text, address)
    return f"{scheme}://{host}{_shown_port(scheme, port)}"


def origin_matches(allowed: str, origin: str) -> bool:
    """Return whether the origin of a request matches an origin that `normalized_origin` returned."""
    scheme, _, address = allowed.partition("://")
    if not address.startswith("*."):
        return origin == allowed
    prefix, suffix = f"{scheme}://", address.removeprefix("*.")
    if not (origin.startswith(prefix) and origin.endswith(suffix)):
        return False
    return _SUBDOMAIN.fullmatch(origin, len(prefix), len(origin) - len(suffix)) is not None


def same_address(page: SplitResult, host: str) -> bool:
    """Return whether the URL of a page has the host of a `Host` header, ignoring case and a default port."""
    default = DEFAULT_PORTS.get(page.scheme)
    return default is not None and page.netloc == host.lower().removesuffix(f":{default}")


def normalized_sources(text: str, *, paths: bool = False) -> str:
    """
    Return a source list of a Content-Security-Policy with its hosts as browsers compare them.

    Args:
        text: sources, separated by spaces.
        paths: whether a source may have a path. Sources of files may; embedding pages (`frame-ancestors`) may not.

    Raises:
        ValueError: a source cannot match anything, or would end the list.
    """
    sources = [_source(source, paths=paths) for source in text.split()]
    if "'none'" in sources and len(sources) > 1:
        raise ValueError("'none' must be the only source; browsers ignore it beside others")
    return " ".join(sources)


def _source(text: str, *, paths: bool) -> str:
    if set(text) & set(";,"):
        raise ValueError(f"{text} has a comma or a semicolon, which ends the list; separate sources with spaces")
    word = text.strip("'\"").lower()
    if word in _KEYWORDS:
        if text.lower() != f"'{word}'":
            raise ValueError(f"{text} would be a host name; write '{word}' with single quotes")
        return f"'{word}'"
    if text == "*" or (text.endswith(":") and _SCHEME.fullmatch(text[:-1])):
        return text.lower()
    if word == NULL:
        raise ValueError("null matches no page in a policy; only * matches a page without an origin")
    scheme, separator, address = text.rpartition("://")
    if separator and not _SCHEME.fullmatch(scheme):
        raise ValueError(f"{text} has an invalid scheme")
    address, _, path = address.partition("/")
    if path and not paths:
        raise ValueError(
            f"{text} has a path, which an embedding page must not have; use {text.removesuffix('/' + path)}"
        )
    if not _PATH.fullmatch(path):
        raise ValueError(
            f"{text} has a path that a policy cannot contain; remove the query and percent-encode the rest"
        )
    path = f"/{path}" if path else ""
    if address == "*":
        return f"{scheme.lower()}{separator}*{path}"
    host, port = host_and_port(text, address.removesuffix(":*"))
    shown = ":*" if address.endswith(":*") else _shown_port(scheme.lower(), port)
    return f"{scheme.lower()}{separator}{host}{shown}{path}"


def host_and_port(text: str, address: str) -> tuple[str, int | None]:
    """
    Return the host as browsers write it, with its leading wildcard if there is one, and the port or None.

    Args:
        text: the value that error messages quote.
        address: host, optionally with a port.

    Raises:
        ValueError: the host or the port is invalid.
    """
    name, _, digits = address.rpartition(":") if _WITH_PORT.fullmatch(address) else (address, "", "")
    port = int(digits) if digits.isdecimal() else None
    if (digits and port is None) or (port is not None and not 1 <= port <= MAX_PORT):
        raise ValueError(f"{text} has the port {digits}; use 1 to {MAX_PORT}")
    if name.startswith("["):
        try:
            return f"[{IPv6Address(name[1:-1] if name.endswith(']') else '').compressed}]", port
        except AddressValueError:
            raise ValueError(f"{text} has an invalid IPv6 address in brackets") from None
    wildcard = "*." if name.startswith("*.") else ""
    host = _ascii(text, name.removeprefix("*."))
    if "*" in host:
        raise ValueError(f"{text} has a wildcard that is not at the start of the host; use https://*.example.com")
    if _NUMERIC.fullmatch(host) and (wildcard or not _is_ipv4(host)):
        raise ValueError(f"{text} ends in a number and is not an IPv4 address such as 192.168.1.7")
    if not _HOST.fullmatch(host) or ".." in host:
        raise ValueError(f"{text} has an invalid host")
    return wildcard + host, port


def _is_ipv4(host: str) -> bool:
    try:
        return str(IPv4Address(host)) == host
    except AddressValueError:
        return False


def _ascii(text: str, host: str) -> str:
    """Return a host name in lower case, and in Punycode if it is an internationalized name."""
    if host.isascii():
        return host.lower()
    try:
        return idna.encode(host, uts46=True).decode()
    except idna.IDNAError as error:
        raise ValueError(f"{text} has an invalid internationalized host name: {error}") from None


def _shown_port(scheme: str, port: int | None) -> str:
    return "" if port is None or port == DEFAULT_PORTS.get(scheme) else f":{port}"
