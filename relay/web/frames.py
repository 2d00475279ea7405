"""
Which pages may put a task into a frame, as far as the relay can tell before it answers.

The policy of the framed page (`frame-ancestors`) is what keeps others out; a browser that obeys it shows a blank box.
Where the relay sees that it would come to that, it can say so in words instead. In doubt it does not interfere.
"""

from fnmatch import fnmatchcase
from urllib.parse import SplitResult, urlsplit

from aiohttp import hdrs, web

from relay.net.origin import same_address

_IN_A_FRAME = frozenset({"iframe", "frame", "embed", "object"})
_PORTS = {"http": 80, "https": 443}


def is_unwelcome(request: web.Request, ancestors: str, public_url: str | None) -> bool:
    """
    Say whether the page that frames this request is surely none that may.

    Args:
        request: what the frame asks for.
        ancestors: who may frame it, a CSP source list.
        public_url: the relay's own address as the outside sees it, where it is known.
    """
    if request.headers.get("Sec-Fetch-Dest") not in _IN_A_FRAME:
        return False
    try:
        page = urlsplit(request.headers.get(hdrs.REFERER, ""))
        _ = page.port  # read here, because it raises for a port that there is not
    except ValueError:  # an open bracket, for one
        return False
    if not page.netloc:  # a page may keep to itself what it is
        return False
    is_own = same_address(page, request.host) or page.netloc == urlsplit(public_url or "").netloc
    return not any(_names(source, page, is_own=is_own) for source in ancestors.split())


def _names(source: str, page: SplitResult, *, is_own: bool) -> bool:
    source = source.lower()
    if source in ("'none'", "'self'", "*"):
        return source == "*" or (source == "'self'" and is_own)
    if source.endswith(":"):
        return page.scheme == source.removesuffix(":")
    scheme, _, address = source.rpartition("://")
    name, _, port = address.partition(":")
    return (
        (not scheme or page.scheme == scheme or (scheme == "http" and page.scheme == "https"))
        and fnmatchcase(page.hostname or "", name)
        and _fits(port, page)
    )


def _fits(port: str, page: SplitResult) -> bool:
    standard = _PORTS.get(page.scheme)
    return port == "*" or (page.port or standard) == (int(port) if port.isdecimal() else standard)
