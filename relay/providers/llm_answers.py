"""
Normalise the answer of a language model, which is the content of an output. Pure.

Depending on the API generation, Wiro returns an answer as `segments`, as the lists `thinking` and `answer`, or as
`raw`; other platforms return `message` or `text`. All fields keep their names. Wrapper tags are removed, and `answer`
is added if the content has an answer only under a name that pages do not display.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from relay.providers.lenient_json import entries, mapping, text
from relay.providers.wrappers import unwrap

_LISTS: Final = ("thinking", "answer")
_WRAPPED: Final = frozenset(_LISTS)

_OTHER_NAMES: Final = ("message", "text", "output_text", "response", "content")

NAMES: Final = frozenset({"segments", "raw", *_LISTS, *_OTHER_NAMES})
"""Fields that can hold an answer. An object with any of these and without a file is an answer."""


def normalize(content: Mapping[str, object]) -> dict[str, object]:
    """Return the content of an output without wrapper tags, with `answer` filled in if it has an answer."""
    found = dict(content)
    for name in _OTHER_NAMES:
        if isinstance(message := found.get(name), str):
            found[name] = _joined(unwrap("answer", message))
    if "segments" in found:
        found["segments"] = [each for entry in entries(found["segments"]) for each in _segments(entry)]
    _unwrap_lists(found)
    _unwrap_raw(found)
    message = next(filter(None, (_message_text(content.get(name)) for name in _OTHER_NAMES)), "")
    if message and not any(_shown(found.get(name)) for name in ("segments", "raw", *_LISTS)):
        found |= _lists(unwrap("answer", message))
    return found


def texts_of(value: object) -> list[object]:
    """Return the texts of `thinking` or `answer`, a list or one string. A string of JSON is text, not a list."""
    if isinstance(value, list):
        return value
    return [] if value is None or value == "" else [value]


def _segments(entry: object) -> Iterator[object]:
    segment = mapping(entry)
    kind, message = text(segment.get("type")) or "answer", segment.get("text")
    if kind not in _WRAPPED or not isinstance(message, str):
        yield entry
        return
    for found, part in unwrap(kind, message):
        yield {**segment, "type": found, "text": part}


def _unwrap_lists(found: dict[str, object]) -> None:
    """Remove wrappers from both lists. A thought found in an answer moves to `thinking` unless it is there already."""
    given = {name: texts_of(found[name]) for name in _LISTS if name in found}
    pieces = [(name, *piece) for name, texts in given.items() for each in texts for piece in _unwrapped(name, each)]
    for name in _LISTS:
        own = [part for origin, kind, part in pieces if origin == kind == name]
        texts = own + [part for origin, kind, part in pieces if origin != kind == name and part not in own]
        if isinstance(found.get(name), str) and len(texts) < 2:
            found[name] = texts[0] if texts else ""
        elif texts or name in given:
            found[name] = texts


def _unwrapped(kind: str, value: object) -> tuple[tuple[str, object], ...]:
    return unwrap(kind, value) if isinstance(value, str) else ((kind, value),)


def _unwrap_raw(found: dict[str, object]) -> None:
    """Remove wrappers from `raw`, which repeats the lists, and fill the lists from it if they are missing."""
    if not isinstance(raw := found.get("raw"), str):
        return
    pieces = unwrap("answer", raw)
    found["raw"] = _joined(pieces)
    if found["raw"] != raw and not any(_shown(found.get(name)) for name in ("segments", *_LISTS)):
        found |= _lists(pieces)


def _lists(pieces: tuple[tuple[str, str], ...]) -> dict[str, object]:
    texts = {name: [part for kind, part in pieces if kind == name] for name in _LISTS}
    return {name: found for name, found in texts.items() if found}


def _joined(pieces: tuple[tuple[str, str], ...]) -> str:
    return "\n\n".join(part for _, part in pieces)


def _message_text(value: object) -> str:
    """Return the text of a message, which may be an object with `content` or `text`."""
    if isinstance(value, Mapping):
        return text(value.get("content")) or text(value.get("text"))
    return value if isinstance(value, str) else ""


def _shown(value: object) -> bool:
    return bool(text(value).strip()) if not isinstance(value, list | dict) else any(map(bool, entries(value)))
