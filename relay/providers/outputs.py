"""
Read the outputs of a task, in any shape that a platform may list them in. Pure, and shared by all providers.

It accepts nested lists, objects in place of lists, JSON in strings, bare URLs and several names for one field, so that
no displayable result is lost. It never accepts a URL that a browser would execute.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from relay.core.events import Output
from relay.providers import media_types
from relay.providers.echoes import without_inputs
from relay.providers.lenient_json import address, content, integer, load, text
from relay.providers.llm_answers import NAMES as ANSWER_NAMES
from relay.providers.llm_answers import normalize

_DEEPEST: Final = 32
"""The maximum nesting of lists and objects."""

# Names of fields in lower case without `_`, `-` and spaces, by priority.
_URLS: Final = ("url", "fileurl", "downloadurl", "publicurl", "signedurl", "uri", "href", "src", "link")
_NAMES: Final = ("name", "filename", "originalname")
_TYPES: Final = ("contenttype", "mimetype", "mediatype", "mime", "type", "filetype", "format", "extension", "ext")
_SIZES: Final = ("size", "sizebytes", "filesize", "bytes", "contentlength")

_HIDDEN: Final = re.compile(r"(?:uu)?id|accesskey|.*(?:token|secret|password|apikey|signature)")
"""Fields that are secret or not useful to a viewer."""

_SCRIPT: Final = re.compile(r"(?:javascript|vbscript):", re.IGNORECASE)
_LOCAL: Final = re.compile(r"\s*(?:data|blob|file):\S", re.IGNORECASE)
"""URLs without a host. `Data: five rows` is text."""


def read(value: object) -> tuple[Output, ...]:
    """Return the outputs, without empty entries."""
    if isinstance(value, str) and value.lstrip().startswith(("[", "{")) and isinstance(_unpacked(value), str):
        return ()  # truncated JSON
    return tuple(_read(value, words=True, depth=_DEEPEST))


def read_files(value: object) -> tuple[Output, ...]:
    """Return the outputs that are files. Text that is not a URL is left out."""
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


def _of_text(string: str, *, words: bool) -> Iterator[Output]:
    """Read a bare string: one URL, several URLs, or text."""
    several = re.split(r"[\s,]+", string)
    if len(several) > 1 and all(_is_explicit(each) for each in several):
        for each in several:
            yield from _of_text(each, words=False)
    elif not re.search(r"\s", string) and (url := address(string)) is not None:
        yield _file(url, {})
    elif words and string not in ("", "null") and not _would_run(string):
        yield from _answer({"raw": string})


def _of_object(given: Mapping[str, object], *, words: bool, depth: int) -> Iterator[Output]:
    entry = {key: value for key, value in without_inputs(given).items() if not _is_input(value)}
    if not entry:
        return
    if len(entry) == 1 or all(map(str.isdecimal, entry)):  # an object in place of a list
        (*values,) = entry.values()
        if all(isinstance(_unpacked(value), list | Mapping) for value in values) and not _is_answer(entry):
            yield from _read(values, words=words, depth=depth - 1)
            return
    fields: dict[str, object] = {}
    for key, value in entry.items():
        fields.setdefault(re.sub(r"[\s_-]", "", key).lower(), value)
    urls = [fields[key] for key in _URLS if fields.get(key)]
    url = next(filter(None, map(address, (*urls, fields.get("content")))), None)
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
        yield from _answer(_displayable(rest) or {})


def _is_input(value: object) -> bool:
    """Return whether a value is an object that only repeats inputs."""
    unpacked = _unpacked(value)
    return isinstance(unpacked, Mapping) and len(unpacked) > 0 and not without_inputs(unpacked)


def _may_hold_files(key: str, value: object) -> bool:
    """Return whether a field may contain files; a URL within an answer is not an output."""
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


def _answer(string: Mapping[str, object]) -> Iterator[Output]:
    if (raw := _content(string)) is not None:
        yield Output(content_type="raw", content=raw)


def _content(value: object) -> dict[str, object] | None:
    """Return the inline content of an output, or null if it is empty or cannot be serialised."""
    value = _unpacked(value)
    if isinstance(value, list):
        texts = all(isinstance(each, str) for each in value)
        value = {"answer" if texts else "segments": value} if value else None
    elif not isinstance(value, Mapping):
        value = {"raw": string} if (string := text(value)) else None
    else:
        value = without_inputs(value)
    return None if not value else content(normalize(value)) or content(value)


def _is_answer(fields: Mapping[str, object]) -> bool:
    return any(fields.get(name) for name in ANSWER_NAMES)


def _displayable(value: object, depth: int = _DEEPEST, *, in_segments: bool = False) -> Any:
    """Return the displayable part of an unknown value, or null if there is none. A segment can be a tool call."""
    if depth == 0 or value in (None, "") or _would_run(value):
        return None
    if isinstance(value, Mapping):
        fields = value if in_segments else without_inputs(value)
        items = (
            (key, _displayable(item, depth - 1, in_segments=in_segments or key == "segments"))
            for key, item in fields.items()
            if not _is_hidden(key)
        )
        return {key: item for key, item in items if item is not None} or None
    if isinstance(value, list):
        shown = (_displayable(each, depth - 1, in_segments=in_segments) for each in value)
        return [item for item in shown if item is not None] or None
    return value


def _is_hidden(key: str) -> bool:
    name = re.sub(r"[\s_-]", "", key).lower()
    return name in (*_URLS, *_TYPES, *_SIZES) or _HIDDEN.fullmatch(name) is not None


def _is_explicit(value: object) -> bool:
    """Return whether a value is certainly a URL: `cdn.example.com/a.png` could also be the name of a model."""
    return isinstance(value, str) and re.match(r"\s*(?:https?:)?//[^\s/]", value, re.IGNORECASE) is not None


def _would_run(value: object) -> bool:
    """Return whether a browser would execute a string as a URL. Browsers ignore white space in the scheme."""
    if not isinstance(value, str):
        return False
    return _SCRIPT.match(re.sub(r"[\s\x00-\x1f]", "", value[:100])) is not None or _LOCAL.match(value) is not None


def _unpacked(value: object) -> object:
    """Decode a string of JSON, even if it is escaped twice; return any other value unchanged."""
    for _ in range(2):
        if not isinstance(value, str) or not value.lstrip().startswith(("[", "{", '"')):
            break
        try:
            found = load(value)
        except ValueError:
            break
        if isinstance(found, str) and found.lstrip()[:1] not in ("[", "{"):
            break  # text in quotation marks
        value = found
    return value
