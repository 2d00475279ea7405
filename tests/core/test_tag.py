"""Tags: which texts are tags, and their normal form."""

import pytest

from relay.core.tag import MAX_CHARS, normalize_tag


def test_a_tag_is_composed_and_stripped() -> None:
    """Two spellings of the same text are the same tag."""
    assert normalize_tag(" cafe\u0301\n") == "caf\u00e9"


@pytest.mark.parametrize(
    "text", ["shop", "Ünï côdé", "x" * MAX_CHARS, "क्\u200dष", "👩\u200d🚀", "🏴\U000e0067\U000e0062\U000e007f"]
)
def test_printable_text_is_a_tag(text: str) -> None:
    """Joiners and the letters of flags are invisible, but part of how text is written."""
    assert normalize_tag(text) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "must not be empty"),
        (" \t", "must not be empty"),
        ("x" * (MAX_CHARS + 1), "at most 64 characters; this one has 65"),
        ("a\nb", "U\\+000A"),
        ("a\u2028b", "U\\+2028"),
        ("a\u200bb", "U\\+200B"),
        ("a\x00", "U\\+0000"),
        ("\ud800", "U\\+D800"),
    ],
)
def test_anything_else_is_refused(text: str, reason: str) -> None:
    """The error names the limit or the character."""
    with pytest.raises(ValueError, match=reason):
        normalize_tag(text)
