"""
The results of a task: the union of those in its terminal frame and those in its record.

Either may contain more. A frame can name one image of four or leave out a type; a record can lag behind the frame.
"""

from dataclasses import replace
from typing import Any, Final

from relay.core.events import Output

UNKNOWN_TYPE: Final = "application/octet-stream"
"""The type of an output whose type is not known. Any other type replaces it."""


def is_available(output: Output) -> bool:
    """Return whether a result has content or a URL. A platform may list one before it has either."""
    return output.url is not None or output.content is not None


def merge(shown: tuple[Output, ...], record: tuple[Output, ...]) -> tuple[Output, ...]:
    """
    Return all results, each once: those of `record` in its order, then those that are only in `shown`.

    If both have a result, the fields of `record` win, and `shown` fills in the missing ones.
    """
    left = list(shown)
    merged = []
    for output in record:
        match = _find(output, left)
        if match is not None:
            left.remove(match)
        merged.append(output if match is None else _fill(output, match))
    return (*merged, *left)


def _find(output: Output, candidates: list[Output]) -> Output | None:
    """Find the same result: by its URL, then by its URL without the query, then by name among those without a URL."""
    if output.url is None:
        return next((each for each in candidates if each.url is None and _alike(output, each)), None)
    for each in candidates:
        if each.url == output.url:
            return each
    # A URL may be signed again for each answer. It is the same result only if no other one matches.
    path = _path(output.url)
    resigned = [each for each in candidates if each.url is not None and _path(each.url) == path]
    if len(resigned) == 1 and resigned[0].name == output.name and resigned[0].size in (output.size, None):
        return resigned[0]
    return next((each for each in candidates if each.url is None and each.name and each.name == output.name), None)


def _alike(one: Output, other: Output) -> bool:
    """Compare two results without URLs: files by name. Two answers are always equal: copies differ in their fields."""
    if (one.content is None) != (other.content is None):
        return False
    return one.content is not None or one.name == other.name


def _path(url: str) -> str:
    return url.partition("#")[0].partition("?")[0]


def _fill(output: Output, shown: Output) -> Output:
    return replace(
        output,
        content_type=shown.content_type if output.content_type == UNKNOWN_TYPE else output.content_type,
        name=output.name or shown.name,
        size=shown.size if output.size is None else output.size,
        url=output.url or shown.url,
        content=_content(output.content, shown.content),
    )


def _content(record: dict[str, Any] | None, shown: dict[str, Any] | None) -> dict[str, Any] | None:
    """
    Return an answer's content: that of the record, with the fields that are only in the frame.

    If the record's copy only repeats the answer in one piece (`raw`, which may be megabytes), the frame's is kept.
    """
    if not record or not shown:
        return record or shown
    whole = {**shown, **record}
    return shown if {**whole, "raw": shown.get("raw")} == {**shown, "raw": shown.get("raw")} else whole
