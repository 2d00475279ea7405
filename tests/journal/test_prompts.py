"""The beginnings of prompts, also of tasks that earlier versions stored."""

import pytest

from relay.journal.prompts import stored_beginning


@pytest.mark.parametrize(
    ("stored", "given", "found"),
    [
        ("A fox", None, "A fox"),
        ("", b'{"prompt":"not read"}', ""),
        (None, b'{"prompt":" A fox "}', "A fox"),
        (None, '{"prompt":"A fox"}', "A fox"),
        (None, None, ""),
        (None, b"{", ""),
        (None, b"[]", ""),
    ],
)
def test_without_a_stored_beginning_it_is_taken_from_the_input(
    stored: str | None, given: bytes | str | None, found: str
) -> None:
    """Unless that is too long to read, or damaged."""
    assert stored_beginning(stored, given) == found
