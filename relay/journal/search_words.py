"""
Search by words: a task is found by the prefixes of words in its id, its model, its tags and its title.

A word starts at a letter, digit or symbol after white space or punctuation. A search term may span several words:
`long-vid` and `vid` both find the tag `long-video`. Case and compatible forms of a character (NFKC) are ignored.
"""

import unicodedata
from collections.abc import Iterable
from typing import Final

MAX_TITLE_WORD: Final = 200
"""The length of a word of a title in the index. One of a title is longer only if its compatible form is."""

_ASCII_SEPARATORS = frozenset("$+<=>^`|~")


def word_suffixes(name: str) -> tuple[str, ...]:
    """Return, for each word of a name, the normalized rest of the name from that word on."""
    text = _normalize(name)
    starts = (
        at for at, char in enumerate(text) if not _is_separator(char) and (at == 0 or _is_separator(text[at - 1]))
    )
    return tuple(dict.fromkeys(text[at:] for at in starts))


def title_words(title: str | None) -> tuple[str, ...]:
    """Return, for each word of a title, the normalized text from there on to the next white space."""
    parts = _normalize(title or "").split()
    return tuple(dict.fromkeys(word[:MAX_TITLE_WORD] for part in parts for word in word_suffixes(part)))


def query_words(query: str) -> tuple[str, ...]:
    """Return the normalized terms of a search, without leading punctuation."""
    words = []
    for word in _normalize(query).split():
        at = next((at for at, char in enumerate(word) if not _is_separator(char)), len(word))
        words.append(word[at:])
    return tuple(dict.fromkeys(filter(None, words)))


def all_words_match(words: Iterable[str], task: str, names: Iterable[str], title: str | None = None) -> bool:
    """Return whether each word is a prefix of the task's id or of a word in one of its names or in its title."""
    starts = [task, *(start for name in names for start in word_suffixes(name)), *title_words(title)]
    return all(any(start.startswith(word) for start in starts) for word in words)


def _normalize(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _is_separator(char: str) -> bool:
    """Return whether a character is white space, punctuation or invisible. An emoji is none of these."""
    return char in _ASCII_SEPARATORS or unicodedata.category(char)[0] in "PZC"
