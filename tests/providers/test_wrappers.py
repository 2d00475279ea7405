"""Tests for wrapper tags: removed around an answer, kept within it, and never shown incomplete."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.providers.wrappers import unwrap

WORDS = st.text(st.characters(exclude_characters="<>", codec="utf-8"), max_size=20)
SPACES = st.sampled_from(["", "\n", " \n\n"])
TAGS = ("think", "thinking", "answer")
PIECES = st.sampled_from([f"<{slash}{name}>" for name in TAGS for slash in ("", "/")]) | st.text(max_size=5)


@pytest.mark.parametrize(
    ("kind", "text", "pieces"),
    [
        ("answer", "<answer>Hi</answer>", (("answer", "Hi"),)),
        ("answer", "<ANSWER>\nHi\n</Answer>\n", (("answer", "Hi"),)),
        ("answer", "<think>\nhm\n</think>\n\nHi", (("thinking", "hm"), ("answer", "Hi"))),
        ("answer", "<thinking>hm</thinking><answer>Hi</answer>", (("thinking", "hm"), ("answer", "Hi"))),
        ("answer", "<think>hm</thinking>Hi", (("thinking", "hm"), ("answer", "Hi"))),
        ("answer", "<think></think>Hi", (("answer", "Hi"),)),
        ("answer", "<answer><think>hm</think>Hi</answer>", (("thinking", "hm"), ("answer", "Hi"))),
        ("answer", "<answer><answer>Hi</answer></answer>", (("answer", "Hi"),)),
        ("answer", "<answer>A</answer><answer>B</answer>", (("answer", "A"), ("answer", "B"))),
        ("answer", "<answer>A</answer> and more", (("answer", "A"), ("answer", "and more"))),
        ("answer", "<answer>Write </answer> to close it.</answer>", (("answer", "Write </answer> to close it."),)),
        ("answer", "<answer>Hi", (("answer", "Hi"),)),
        ("answer", "<answer>Hi</ans", (("answer", "Hi"),)),
        ("answer", "<think>hm", (("thinking", "hm"),)),
        ("answer", "<think>hm</think><ans", (("thinking", "hm"),)),
        ("answer", "<think>which sign?</think><", (("thinking", "which sign?"), ("answer", "<"))),
        ("answer", "Hi</answer>", (("answer", "Hi"),)),
        ("thinking", "<thinking>hm</thinking>", (("thinking", "hm"),)),
        ("thinking", "hm</think>\n", (("thinking", "hm"),)),
        ("answer", "<answer></answer>", (("answer", ""),)),
        ("answer", "", (("answer", ""),)),
    ],
)
def test_a_wrapper_is_taken_off(kind: str, text: str, pieces: tuple[tuple[str, str], ...]) -> None:
    """In any case, nested, consecutive, and truncated."""
    assert unwrap(kind, text) == pieces


@pytest.mark.parametrize(
    "text",
    [
        "Put it into <answer>…</answer>.",
        "```xml\n<thinking>\n…\n</thinking>\n<answer>\n…\n</answer>\n```",
        "<b>Hi</b>",
        "<answers>Hi</answers>",
        "a < b",
        "<",
        "  two spaces\n",
    ],
)
def test_a_tag_that_the_model_speaks_of_stays(text: str) -> None:
    """Only a tag at the beginning is a wrapper; text without one is unchanged."""
    assert unwrap("answer", text) == (("answer", text),)


@settings(deadline=None)
@given(WORDS)
def test_a_text_without_tags_stays_as_it_is(text: str) -> None:
    """White space is kept too."""
    assert unwrap("answer", text) == (("answer", text),)
    assert unwrap("answer", text, growing=True) == (("answer", text),)


@settings(deadline=None)
@given(WORDS.map(str.strip), WORDS.map(str.strip), SPACES, st.sampled_from(["", "answer"]), st.booleans())
def test_no_incomplete_tag_is_shown_while_a_text_grows(hm: str, hi: str, space: str, tag: str, capitals: bool) -> None:
    """At any point, the text shown is a prefix of the final text."""
    wrapped = f"<{tag}>{space}{hi}{space}</{tag}>" if tag else hi
    text = f"<think>{space}{hm}{space}</think>{space}{wrapped}"
    text = text.upper() if capitals else text
    whole = unwrap("answer", text)

    for end in range(len(text) + 1):
        shown = [piece for piece in unwrap("answer", text[:end], growing=True) if piece[1]]
        for (kind, part), (last_kind, last) in zip(shown, whole, strict=False):
            assert kind == last_kind
            assert last.startswith(part) or "ß" in text.lower()
        assert len(shown) <= len(whole)


@settings(deadline=None)
@given(st.lists(PIECES, max_size=8).map("".join), st.booleans())
def test_what_was_unwrapped_has_no_wrapper(text: str, growing: bool) -> None:
    """Unwrapping is idempotent; a piece is empty only if it is the only one."""
    pieces = unwrap("answer", text, growing=growing)

    assert len(pieces) == 1 or all(part for _, part in pieces)
    for kind, part in pieces:
        assert unwrap(kind, part) == ((kind, part),)


@settings(deadline=None)
@given(st.sampled_from([" ", "\n", "</answer>", "<answer>", "</think>", "<think>", "<"]), st.integers(1, 20_000))
def test_any_repetition_is_read(piece: str, count: int) -> None:
    """Repeated tags cause no recursion."""
    assert unwrap("answer", piece * count)
