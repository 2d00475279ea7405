"""
Remove the tags that language models wrap their answers in: `<think>`, `<thinking>` and `<answer>`. Pure.

Only a tag at the beginning of a text is a wrapper. A later tag belongs to the answer: the model may be explaining tags
or writing a template. While a text is streamed, an incomplete tag is hidden too.
"""

import re
from typing import Final

_KINDS: Final = {"think": "thinking", "thinking": "thinking", "answer": "answer"}

_TAGS: Final = tuple(f"<{slash}{name}>" for name in _KINDS for slash in ("", "/"))
_CUT_TAGS: Final = frozenset(tag[:end] for tag in _TAGS for end in range(1, len(tag)))
_LONGEST_CUT: Final = max(map(len, _CUT_TAGS))

_DEEPEST: Final = 8
"""The maximum nesting of wrappers. It bounds the time that hostile input can take."""

_OPENING: Final = re.compile(r"\s*<(think|thinking|answer)>", re.IGNORECASE)
_CLOSING: Final = {
    "thinking": re.compile(r"</think(?:ing)?>", re.IGNORECASE),
    "answer": re.compile(r"</answer>", re.IGNORECASE),
}
_LAST_CLOSING: Final = {
    "thinking": _CLOSING["thinking"],
    # An answer may mention its own tag, so a closing tag in the middle of a sentence is used only as a last resort.
    "answer": re.compile(r"</answer>(?=\s*(?:\Z|</?(?:think|thinking|answer)>))", re.IGNORECASE),
}


def unwrap(kind: str, text: str, *, growing: bool = False) -> tuple[tuple[str, str], ...]:
    """
    Split a text by its wrappers into pairs of kind and text, at least one. A text without wrappers is unchanged.

    Args:
        kind: the kind of text outside any wrapper, `thinking` or `answer`.
        text: the complete text, or the part received so far.
        growing: whether more text may follow.
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
    if within:  # not closed yet, or truncated
        pieces.append((within[-1], _without_cut_tag(text[at:].strip())))
    elif not _is_cut_tag(rest := text[at:].lstrip(), growing=growing):
        pieces.append((kind, _without_end(kind, rest, growing=growing)))
    return tuple(piece for piece in pieces if piece[1]) or ((kind, ""),)


def _closing(kind: str, text: str, at: int) -> re.Match[str] | None:
    return _LAST_CLOSING[kind].search(text, at) or _CLOSING[kind].search(text, at)


def _without_end(kind: str, text: str, *, growing: bool) -> str:
    """Remove a closing tag whose opening tag the platform has already removed."""
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
    """Return whether a text is just an incomplete tag. A single `<` is an answer unless more text may follow."""
    text = text.strip().lower() if len(text) < 100 else text
    return text in _CUT_TAGS and (growing or text != "<")


def _without_cut_tag(text: str, *, least: int = 1) -> str:
    """Remove an incomplete tag of at least `least` characters from the end of a text."""
    for length in range(min(len(text), _LONGEST_CUT), least - 1, -1):
        if text[-length:].lower() in _CUT_TAGS:
            return text[:-length].rstrip()
    return text
