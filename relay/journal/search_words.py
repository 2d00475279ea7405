"""
How tasks are found by words: by how the words of their id, their model and their tags begin.

A word begins at a letter, a digit or a symbol that follows white space or punctuation. What is asked for may go on
behind the word: `long-vid` begins what stands in the tag `long-video`, and so does `vid`. Case does not count, nor do
compatible spellings of one character.
"""

import unicodedata
from collections.abc import Iterable

_ASCII_SYMBOLS = frozenset("$+<=>^`|~")


def word_suffixes(name: str) -> tuple[str, ...]:
    """Return a name from each of its words on to its end, as it is compared."""
    text = _folded(name)
    starts = (at for at, char in enumerate(text) if not _separates(char) and (at == 0 or _separates(text[at - 1])))
    return tuple(dict.fromkeys(text[at:] for at in starts))


def query_words(query: str) -> tuple[str, ...]:
    """Return the words of a search, as they are compared; punctuation in front of one does not count."""
    words = []
    for word in _folded(query).split():
        at = next((at for at, char in enumerate(word) if not _separates(char)), len(word))
        words.append(word[at:])
    return tuple(dict.fromkeys(filter(None, words)))


def all_words_match(words: Iterable[str], task: str, names: Iterable[str]) -> bool:
    """Say whether each word begins the task's id, or a word of one of its names."""
    starts = [task, *(start for name in names for start in word_suffixes(name))]
    return all(any(start.startswith(word) for start in starts) for word in words)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _separates(char: str) -> bool:
    """Say whether a character is white space, punctuation or invisible; an emoji is neither."""
    return char in _ASCII_SYMBOLS or unicodedata.category(char)[0] in "PZC"
