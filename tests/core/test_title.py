"""Titles: one line of printable text, which may be empty."""

import pytest

from relay.core.title import MAX_CHARS, normalize_title


def test_a_title_is_composed_and_stripped() -> None:
    """Two spellings of the same text are the same title."""
    assert normalize_title("  cafe\u0301, by night\n") == "caf\u00e9, by night"
    assert normalize_title(" \t") == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x" * (MAX_CHARS + 1), "at most 200 characters; this one has 201"),
        ("a\nb", "one line of printable text; U\\+000A"),
        ("a\u202eb", "U\\+202E"),
        ("a\x00b", "U\\+0000"),
    ],
)
def test_anything_else_is_refused(text: str, reason: str) -> None:
    """The error names the limit or the character."""
    with pytest.raises(ValueError, match=reason):
        normalize_title(text)
