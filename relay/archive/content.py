"""The type of a copied file, and how it may be shown. Pure."""

import re
from typing import Final
from urllib.parse import quote

import filetype

from relay.archive.errors import CopyFailed
from relay.core.results import UNKNOWN_TYPE

HEAD_BYTES: Final = 8192
"""How many of the first bytes show the type of a file."""

_MEDIA: Final = ("image", "video", "audio")

_PAGE: Final = re.compile(rb"\s*<(?:!doctype\s+html|html|\?xml[^>]*\?>\s*<error)", re.IGNORECASE)

_SHOWN: Final = re.compile(r"(?:image/(?!svg)[a-z0-9.+-]+|video/[a-z0-9.+-]+|audio/[a-z0-9.+-]+)")
"""Types that a browser shows without running anything in them. All others are downloaded."""


def content_type(stated: str, answered: str, head: bytes) -> str:
    """
    Return the type of a file.

    Args:
        stated: the type that the platform has stated for the result.
        answered: the type that the file was served with.
        head: its first bytes.

    Raises:
        CopyFailed: it is another file than the platform has stated, such as a page that says that it is not ready.
    """
    found: str | None = filetype.guess_mime(head)
    if not head:
        raise CopyFailed("The file is empty.")
    if _PAGE.match(head) and not stated.startswith("text/"):
        raise CopyFailed(f"The platform sent a page instead of the file, which is {stated}.")
    kind = _kind(stated)
    if kind in _MEDIA and found is not None and _kind(found) not in _MEDIA:
        raise CopyFailed(f"The file is {found}, and the platform has stated {stated}.")
    if found is not None:
        return found
    if stated != UNKNOWN_TYPE:
        return stated
    return answered or UNKNOWN_TYPE


def is_shown(kind: str) -> bool:
    """Return whether a browser may show a file of this type in place. An SVG or a page could run scripts."""
    return _SHOWN.fullmatch(kind) is not None


def disposition(kind: str, name: str | None) -> str:
    """Return the value of `Content-Disposition` (https://www.rfc-editor.org/rfc/rfc6266)."""
    how = "inline" if is_shown(kind) else "attachment"
    bare = re.sub(r"[\x00-\x1f\x7f/\\]", "_", name or "").strip(". ")[-150:]
    return how if not bare else f"{how}; filename*=UTF-8''{quote(bare, safe='')}"


def _kind(content_type: str) -> str:
    return content_type.partition("/")[0]
