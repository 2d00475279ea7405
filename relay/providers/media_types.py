"""
Determine the media type of an output from its content type, else its file name, else its URL. Pure.

This module lists the types that pages can display. Python's built-in table has the rest. The tables of the operating
system are not read, so the result does not depend on the machine.
"""

import mimetypes
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

UNKNOWN: Final = "application/octet-stream"

_OF_EXTENSION: Final = {
    "apng": "image/apng",
    "avif": "image/avif",
    "bmp": "image/bmp",
    "gif": "image/gif",
    "heic": "image/heic",
    "heif": "image/heif",
    "ico": "image/vnd.microsoft.icon",
    "jfif": "image/jpeg",
    "jpe": "image/jpeg",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "jxl": "image/jxl",
    "png": "image/png",
    "svg": "image/svg+xml",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "webp": "image/webp",
    "avi": "video/x-msvideo",
    "m4v": "video/mp4",
    "mkv": "video/x-matroska",
    "mov": "video/quicktime",
    "mp4": "video/mp4",
    "mpeg": "video/mpeg",
    "mpg": "video/mpeg",
    "ogv": "video/ogg",
    "webm": "video/webm",
    "aac": "audio/aac",
    "aif": "audio/aiff",
    "aiff": "audio/aiff",
    "flac": "audio/flac",
    "m4a": "audio/mp4",
    "mp3": "audio/mpeg",
    "oga": "audio/ogg",
    "ogg": "audio/ogg",
    "opus": "audio/ogg",
    "wav": "audio/wav",
    "weba": "audio/webm",
    "glb": "model/gltf-binary",
    "gltf": "model/gltf+json",
    "obj": "model/obj",
    "stl": "model/stl",
    "csv": "text/csv",
    "gz": "application/gzip",
    "html": "text/html",
    "json": "application/json",
    "md": "text/markdown",
    "pdf": "application/pdf",
    "srt": "application/x-subrip",
    "txt": "text/plain",
    "vtt": "text/vtt",
    "zip": "application/zip",
}

_OTHERS: Final = mimetypes.MimeTypes()

_ALIASES: Final = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "audio/mp3": "audio/mpeg",
    "audio/wave": "audio/wav",
    "audio/x-wav": "audio/wav",
}

_CLASSES: Final = frozenset({"image", "video", "audio"})

_GENERIC: Final = frozenset(
    {
        "application/binary",
        "application/download",
        "application/force-download",
        "application/octet-stream",
        "application/octetstream",
        "application/unknown",
        "application/x-binary",
        "application/x-download",
        "application/x-octet-stream",
        "application/x-unknown",
        "application/x-unknown-content-type",
        "binary/octet-stream",
        "content/unknown",
        "octet/stream",
        "unknown/unknown",
    }
)

_MEDIA_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
"""https://www.rfc-editor.org/rfc/rfc6838#section-4.2"""

_EXTENSION: Final = re.compile(r"\.([a-z0-9]{1,10})(?=$|[!@~:])", re.IGNORECASE)
"""An extension. Image services append options to the name: `a.jpg@100w`, `a.png~tplv.image`, `a.jpg!thumb`."""


def resolve(declared: Iterable[str], name: str | None, url: str | None) -> str | None:
    """
    Return the media type of a file, or null if it is unknown.

    Args:
        declared: values that may be its content type, as sent by the platform: `image/PNG; charset=x`, `png`, `image`.
        name: the name of the file.
        url: the URL of the file.
    """
    kinds = [kind for each in declared if (kind := _read(each)) is not None]
    if (exact := next((kind for kind in kinds if not kind.endswith("/*")), None)) is not None:
        return exact
    guesses = [guess for guess in (_of_name(name or ""), _of_url(url or "")) if guess is not None]
    for kind in kinds:  # only a class such as `image/*`: prefer a guess of that class
        return next((guess for guess in guesses if guess.startswith(kind[:-1])), kind)
    return guesses[0] if guesses else None


def file_name(url: str) -> str | None:
    """Return the last part of a URL's path, or null if there is none."""
    try:
        return unquote(urlsplit(url).path).rstrip("/").rpartition("/")[2] or None
    except ValueError:
        return None


def _read(declared: str) -> str | None:
    """Normalise a content type: `image/*` if only the class is given, null if it is generic or malformed."""
    declared = declared.partition(";")[0].partition(",")[0].strip().lower()
    if "/" not in declared:
        return f"{declared}/*" if declared in _CLASSES else _of_extension(declared.lstrip("."))
    declared = _ALIASES.get(declared, declared)
    if declared in _GENERIC:
        return None
    if declared.partition("/")[0] in _CLASSES and declared.endswith("/*"):
        return declared
    return declared if _MEDIA_TYPE.fullmatch(declared) else None


def _of_extension(extension: str) -> str | None:
    if (known := _OF_EXTENSION.get(extension.lower())) is not None:
        return known
    if not re.fullmatch(r"[A-Za-z0-9]{1,10}", extension):
        return None
    found, encoding = _OTHERS.guess_type(f"file.{extension}", strict=False)
    return None if encoding or found in _GENERIC else found


def _of_name(name: str) -> str | None:
    extensions = _EXTENSION.findall(name.strip().replace("\\", "/").rpartition("/")[2])
    return next((kind for each in extensions[::-1] if (kind := _of_extension(each)) is not None), None)


def _of_url(url: str) -> str | None:
    if (kind := _of_name(file_name(url) or "")) is not None:
        return kind
    try:
        query = parse_qsl(urlsplit(url).query)
    except ValueError:
        return None
    for _, value in query:  # `/view?filename=a.png`, `?format=webp`, `?response-content-type=image%2Fpng`
        bare = value.strip().strip("\"'")
        kind = _read(bare) if "/" in bare else _OF_EXTENSION.get(bare.rpartition(".")[2].lower())
        if kind is not None and kind.partition("/")[0] in _CLASSES:
            return kind
    return None
