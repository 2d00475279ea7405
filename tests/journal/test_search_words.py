"""Search by words in ids, models and tags."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.journal.search_words import all_words_match, query_words, word_suffixes

MODEL = "bytedance/image-to-video-seedance-v1"
TASK = "bdwmu65xnubzsm4bndfz6w8eqz"
TAGS = ("long-video", "Frühling", "Straße 7", "🚀 launch", "order:12")


FOUND = """
long|LONG|vid|long-vid|video long|seedance|byte image|image-to-video|v1|frühling|FRÜH|strasse|STRASSE 7|🚀|launch
|order:1|12|#long|bdwm||   |-
"""
SPELLINGS = (unicodedata.normalize("NFD", "Frühling"), "\uff56id", TASK)


@pytest.mark.parametrize("query", [*FOUND.strip("\n").replace("\n", "").split("|"), *SPELLINGS])
def test_a_search_finds_prefixes_of_words(query: str) -> None:
    """In any case, form and order, with or without punctuation between words."""
    assert all_words_match(query_words(query), TASK, (MODEL, *TAGS))


@pytest.mark.parametrize(
    "query", ["ong", "ideo", "long short", "video-long", "uhling", "rocket", "dwm", "v12", "order:2"]
)
def test_a_search_finds_nothing_else(query: str) -> None:
    """Not the middle of a word, and only if every term matches."""
    assert not all_words_match(query_words(query), TASK, (MODEL, *TAGS))


@given(st.text(max_size=30))
def test_a_name_is_found_by_itself_and_by_each_of_its_words(name: str) -> None:
    """Whatever characters it contains."""
    assert all_words_match(query_words(name), "", (name,))
    for word in name.split():
        assert all_words_match(query_words(word), "", (name,))


@given(st.text(max_size=30), st.text(max_size=30))
def test_case_is_ignored(name: str, other: str) -> None:
    """So is how a character is composed."""
    assert word_suffixes(name.upper()) == word_suffixes(name.upper().casefold())
    assert query_words(other) == query_words(unicodedata.normalize("NFD", other))
