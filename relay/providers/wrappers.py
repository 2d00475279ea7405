"""
The tags that language models wrap their answers in, taken off again: `<think>`, `<thinking>` and `<answer>`. Pure.

Only a wrapper that a text begins with is one. A tag further on is part of what the model says: it may explain tags, or
write a template. While a text still grows, a tag of which only the beginning has come is not shown either.
"""

import re
from typing import Final

_KINDS: Final = {"think": "thinking", "thinking": "thinking", "answer": "answer"}

_TAGS: Final = tuple(f"<{slash}{name}>" for name in _KINDS for slash in ("", "/"))
_CUT_TAGS: Final = frozenset(tag[:end] for tag in _TAGS for end in range(1, len(tag)))
_LONGEST_CUT: Final = max(map(len, _CUT_TAGS))

_DEEPEST: Final = 8
"""So many wrappers are taken off inside each other; more would only cost time."""

_OPENING: Final = re.compile(r"\s*<(think|thinking|answer)>", re.IGNORECASE)
_CLOSING: Final = {
    "thinking": re.compile(r"</think(?:ing)?>", re.IGNORECASE),
    "answer": re.compile(r"</answer>", re.IGNORECASE),
}
_LAST_CLOSING: Final = {
    "thinking": _CLOSING["thinking"],
    # An answer may mention its own tag: what is followed by more words does not end it, if something else does.
    "answer": re.compile(r"</answer>(?=\s*(?:\Z|</?(?:think|thinking|answer)>))", re.IGNORECASE),
}


def unwrap(kind: str, text: str, *, growing: bool = False) -> tuple[tuple[str, str], ...]:
    """
    Split a text into what its wrappers say it is: pairs of kind and text, at least one; without wrappers the same text.

    Args:
        kind: what the text is where no wrapper says otherwise.
        text: the whole of it, or what has come of it so far.
        growing: whether more may come.
    """
    pieces: list[tuple[str, str]] = []
    within: list[str] = []
    at = 0
    while True:
        if len(within) < _DEEPEST and (opening := _OPENING.match(text, at)):
            within.append(_KINDS[opening[1].lower()])
            at = opening.end()
        elif within and (closing := _closing(within[-1], text, at)) is not None:
            pieces.append((within.pop(), text[at : closing.start()].strip()))
            at = closing.end()
        else:
            break
    if at == 0:
        return ((kind, _without_end(kind, text, growing=growing)),)
    if within:  # it has not been closed yet, or was cut
        pieces.append((within[-1], _without_cut_tag(text[at:].strip())))
    elif not _is_cut_tag(rest := text[at:].lstrip(), growing=growing):
        pieces.append((kind, _without_end(kind, rest, growing=growing)))
    return tuple(piece for piece in pieces if piece[1]) or ((kind, ""),)


def _closing(kind: str, text: str, at: int) -> re.Match[str] | None:
    return _LAST_CLOSING[kind].search(text, at) or _CLOSING[kind].search(text, at)


def _without_end(kind: str, text: str, *, growing: bool) -> str:
    """Take off the closing tag of a wrapper whose opening tag the platform has taken off already."""
    if kind not in _CLOSING:
        return text
    end = len(text)
    while closing := _CLOSING[kind].search(text, max(0, end - 2 * _LONGEST_CUT), end):
        if text[closing.end() : end].strip():
            break
        end = closing.start()
    if end < len(text) and not re.search(f"<{kind}>", text, re.IGNORECASE):
        text = text[:end]
    if not growing:
        return text
    return "" if _is_cut_tag(text, growing=True) else _without_cut_tag(text, least=len("</"))


def _is_cut_tag(text: str, *, growing: bool) -> bool:
    """Tell whether a text is the beginning of a tag and nothing else; a lone `<` that does not grow is an answer."""
    text = text.strip().lower() if len(text) < 100 else text
    return text in _CUT_TAGS and (growing or text != "<")


def _without_cut_tag(text: str, *, least: int = 1) -> str:
    """Take off the end of a text that is the beginning of a tag, if it has at least `least` characters."""
    for length in range(min(len(text), _LONGEST_CUT), least - 1, -1):
        if text[-length:].lower() in _CUT_TAGS:
            return text[:-length].rstrip()
    return text
