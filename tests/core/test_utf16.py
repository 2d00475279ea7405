"""Lengths and offsets in UTF-16 units."""

from hypothesis import given
from hypothesis import strategies as st

from relay.core.utf16 import chunks, utf16_cut, utf16_len

texts = st.text(st.sampled_from("aé😀\n"), max_size=12)


@given(texts, st.integers(0, 30))
def test_a_cut_loses_nothing_and_splits_no_character(text: str, units: int) -> None:
    """The first part has at most `units`, and one less only where a pair would be split."""
    head, tail = utf16_cut(text, units)
    assert head + tail == text
    assert utf16_len(head) in (min(units, utf16_len(text)), units - 1)


@given(texts, st.integers(2, 5))
def test_chunks_are_the_text_in_order(text: str, units: int) -> None:
    """Each of at most `units`; none for an empty text."""
    pieces = chunks(text, units)
    assert "".join(pieces) == text
    assert all(0 < utf16_len(piece) <= units for piece in pieces)


def test_a_character_outside_the_basic_plane_counts_twice() -> None:
    """As in JavaScript."""
    assert [utf16_len(text) for text in ("", "abc", "é", "😀")] == [0, 3, 1, 2]
