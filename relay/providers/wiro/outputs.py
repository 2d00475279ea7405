"""Wiro's outputs into ours: the same shapes come in a terminal frame and in a task's detail."""

import mimetypes

from relay.core.events import Output
from relay.providers.values import address, content, entries, integer, mapping, text

_FINISH_WARNINGS = {
    "length": "The answer was cut off at its length limit.",
    "content_filter": "A content filter cut the answer off.",
    "error": "The model reported an error while it answered.",
}


def parse(value: object) -> tuple[Output, ...]:
    """Read the outputs; null, JSON in a string and empty entries occur, and an entry that says nothing is left out."""
    return tuple(output for entry in entries(value) if (output := _output(mapping(entry))))


def warnings(outputs: tuple[Output, ...]) -> tuple[str, ...]:
    """Return a sentence for each answer that did not end by itself."""
    reasons = (text((output.content or {}).get("finishreason")).lower() for output in outputs)
    return tuple(dict.fromkeys(_FINISH_WARNINGS[reason] for reason in reasons if reason in _FINISH_WARNINGS))


def _output(entry: dict[str, object]) -> Output | None:
    name = text(entry.get("name")) or None
    url = address(entry.get("url"))
    raw = _raw(entry.get("content"))
    if url is None and raw is None and name is None:
        return None
    said = text(entry.get("contenttype")).strip().lower()
    return Output(
        content_type=said or _guess(name, raw),
        name=name,
        size=integer(entry.get("size")),
        url=url,
        content=raw,
    )


def _raw(value: object) -> dict[str, object] | None:
    if isinstance(value, str) and value and not mapping(value):
        value = {"raw": value}
    return content(value)


def _guess(name: str | None, raw: dict[str, object] | None) -> str:
    """Work out the type that the oldest dialect leaves out."""
    if raw is not None:
        return "raw"
    return mimetypes.guess_type(name or "", strict=False)[0] or "application/octet-stream"
