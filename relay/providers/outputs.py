"""
The results of a task, in whatever shape a platform lists them. Pure, and the same for every platform.

Lists, lists in lists, objects of objects, JSON in strings, bare addresses, several names for one field: nothing that a
person could look at is left out. What must never get through is an address that a browser would run.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from relay.core.events import Output
from relay.providers import media_types
from relay.providers.answers import NAMES as ANSWER_NAMES
from relay.providers.answers import readable
from relay.providers.values import address, content, integer, load, text

_DEEPEST: Final = 32
"""How deep results may lie inside each other's lists and objects."""

# Fields by their names in lower case, without `_` and `-`; the first that is there counts.
_URLS: Final = ("url", "fileurl", "downloadurl", "publicurl", "signedurl", "uri", "href", "src", "link")
_NAMES: Final = ("name", "filename", "originalname")
_TYPES: Final = ("contenttype", "mimetype", "mediatype", "mime", "type", "filetype", "format", "extension", "ext")
_SIZES: Final = ("size", "sizebytes", "filesize", "bytes", "contentlength")

_UNSEEN: Final = re.compile(r"(?:uu)?id|accesskey|.*(?:token|secret|password|apikey|signature)")
"""Fields that say nothing to a person, or that nobody else may have."""

_SCRIPT: Final = re.compile(r"(?:javascript|vbscript):", re.IGNORECASE)
_LOCAL: Final = re.compile(r"\s*(?:data|blob|file):\S", re.IGNORECASE)
"""Addresses of what a browser has or makes itself; `Data: five rows` is a text."""


def read(value: object) -> tuple[Output, ...]:
    """Read results; what is empty or says nothing is left out."""
    if isinstance(value, str) and value.lstrip().startswith(("[", "{")) and isinstance(_unpacked(value), str):
        return ()  # a list that breaks off
    return tuple(_read(value, words=True, depth=_DEEPEST))


def read_files(value: object) -> tuple[Output, ...]:
    """Read results that can only be files: text that is no address is left out."""
    return tuple(_read(value, words=False, depth=_DEEPEST))


def _read(value: object, *, words: bool, depth: int) -> Iterator[Output]:
    value = _unpacked(value)
    if depth == 0:
        return
    if isinstance(value, list):
        for entry in value:
            yield from _read(entry, words=words, depth=depth - 1)
    elif isinstance(value, Mapping):
        yield from _of_object(value, words=words, depth=depth)
    elif isinstance(value, str):
        yield from _of_text(value.strip(), words=words)


def _of_text(said: str, *, words: bool) -> Iterator[Output]:
    """Read a bare string: an address, several of them, or something to read."""
    several = re.split(r"[\s,]+", said)
    if len(several) > 1 and all(_is_explicit(each) for each in several):
        for each in several:
            yield from _of_text(each, words=False)
    elif not re.search(r"\s", said) and (url := address(said)) is not None:
        yield _file(url, {})
    elif words and said not in ("", "null") and not _would_run(said):
        yield from _answer({"raw": said})


def _of_object(entry: Mapping[str, object], *, words: bool, depth: int) -> Iterator[Output]:
    if len(entry) == 1 or all(map(str.isdecimal, entry)):  # a list by another name
        (*values,) = entry.values()
        if all(isinstance(_unpacked(value), list | Mapping) for value in values) and not _is_answer(entry):
            yield from _read(values, words=words, depth=depth - 1)
            return
    fields: dict[str, object] = {}
    for key, value in entry.items():
        fields.setdefault(re.sub(r"[\s_-]", "", key).lower(), value)
    given = [fields[key] for key in _URLS if fields.get(key)]
    url = next(filter(None, map(address, (*given, fields.get("content")))), None)
    raw = _content(fields.get("content")) if url is None or address(fields.get("content")) is None else None
    if url is not None or raw is not None:
        yield _file(url, fields, raw)
        return
    rest = {}
    for key, value in entry.items():
        found = list(_read(value, words=False, depth=depth - 1)) if _may_hold_files(key, value) else []
        yield from found
        if not found:
            rest[key] = value
    if len(rest) == len(entry) and any(text(fields.get(key)) for key in _NAMES):
        yield _file(None, fields)
    elif words and (len(rest) == len(entry) or _is_answer(rest)):
        yield from _answer(_seen(rest) or {})


def _may_hold_files(key: str, value: object) -> bool:
    """Tell whether files may lie in a field: what is written in an answer is none."""
    if isinstance(_unpacked(value), list | Mapping):
        return key not in ("segments", "thinking", "answer")
    return _is_explicit(value) and key not in ANSWER_NAMES


def _file(url: str | None, fields: Mapping[str, object], raw: dict[str, object] | None = None) -> Output:
    name = next(filter(None, (text(fields.get(key)) for key in _NAMES)), None)
    size = next((size for key in _SIZES if (size := integer(fields.get(key))) is not None and size >= 0), None)
    kind = media_types.resolve((text(fields.get(key)) for key in _TYPES), name, url)
    return Output(
        content_type="raw" if raw is not None and url is None else kind or media_types.UNKNOWN,
        name=name or (media_types.file_name(url) if url is not None else None),
        size=size,
        url=url,
        content=raw,
    )


def _answer(said: Mapping[str, object]) -> Iterator[Output]:
    if (raw := _content(said)) is not None:
        yield Output(content_type="raw", content=raw)


def _content(value: object) -> dict[str, object] | None:
    """Read what an output carries in itself; null where that is nothing, or cannot be written down."""
    value = _unpacked(value)
    if isinstance(value, list):
        texts = all(isinstance(each, str) for each in value)
        value = {"answer" if texts else "segments": value} if value else None
    elif not isinstance(value, Mapping):
        value = {"raw": said} if (said := text(value)) else None
    return None if not value else content(readable(value)) or content(value)


def _is_answer(fields: Mapping[str, object]) -> bool:
    return any(fields.get(name) for name in ANSWER_NAMES)


def _seen(value: object, depth: int = _DEEPEST) -> Any:
    """Return what of a value that we do not know a person may look at; null where that is nothing."""
    if depth == 0 or value in (None, "") or _would_run(value):
        return None
    if isinstance(value, Mapping):
        items = ((key, _seen(item, depth - 1)) for key, item in value.items() if not _is_hidden(key))
        return {key: item for key, item in items if item is not None} or None
    if isinstance(value, list):
        return [item for each in value if (item := _seen(each, depth - 1)) is not None] or None
    return value


def _is_hidden(key: str) -> bool:
    name = re.sub(r"[\s_-]", "", key).lower()
    return name in (*_URLS, *_TYPES, *_SIZES) or _UNSEEN.fullmatch(name) is not None


def _is_explicit(value: object) -> bool:
    """Tell whether a value is an address beyond doubt: `cdn.example.com/a.png` could be the name of a model."""
    return isinstance(value, str) and re.match(r"\s*(?:https?:)?//[^\s/]", value, re.IGNORECASE) is not None


def _would_run(value: object) -> bool:
    """Tell whether a browser would take a text for an address and run it: it ignores white space there."""
    if not isinstance(value, str):
        return False
    return _SCRIPT.match(re.sub(r"[\s\x00-\x1f]", "", value[:100])) is not None or _LOCAL.match(value) is not None


def _unpacked(value: object) -> object:
    """Return what a string holds as JSON, also when it was escaped twice; anything else as it is."""
    for _ in range(2):
        if not isinstance(value, str) or not value.lstrip().startswith(("[", "{", '"')):
            break
        try:
            found = load(value)
        except ValueError:
            break
        if isinstance(found, str) and found.lstrip()[:1] not in ("[", "{"):
            break  # a text in quotation marks
        value = found
    return value
