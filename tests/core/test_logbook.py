"""What of a log was missed."""

from hypothesis import given
from hypothesis import strategies as st

from relay.core.logbook import already_in, missing

lines = st.lists(st.text("ab c", min_size=1, max_size=5), max_size=8)


def bare(text: str) -> str:
    return "".join(text.split())


@given(lines, lines)
def test_what_is_missing_completes_what_we_have(ours: list[str], more: list[str]) -> None:
    """Joined otherwise than ours, theirs is ours and the rest."""
    have, whole = "".join(ours), "\n".join([*ours, *more])
    assert bare(have + missing(have, whole, cut=False)) == bare(whole)


@given(lines, lines)
def test_a_log_that_does_not_go_on_from_ours_adds_nothing(ours: list[str], theirs: list[str]) -> None:
    """Text is never repeated on a guess."""
    have = "x" + "".join(ours)
    assert missing(have, "\n".join(theirs), cut=False) == ""


def test_a_cut_log_goes_on_where_its_end_is_found() -> None:
    """Its beginning is gone on our side only."""
    assert missing("two\nthree\n", "one\ntwo\nthree\nfour\n", cut=True) == "four\n"
    assert missing("elsewhere", "one\ntwo\n", cut=True) == ""


def test_white_space_is_no_difference() -> None:
    """The upstream joins lines as it likes."""
    assert missing("one\r\ntwo", "one\ntwo\nthree", cut=False) == "\nthree"


def test_only_the_line_end_that_we_have_is_left_out() -> None:
    """A blank line, or the carriage return of a bar, belongs to what is missing."""
    assert missing("one\n", "one\n\r 50%|", cut=False) == "\r 50%|"
    assert missing("one\n", "one\n\ntwo", cut=False) == "\ntwo"
    assert missing("one\n", "one\r\ntwo", cut=False) == "two"
    assert missing("one\n", "one\rtwo", cut=False) == "\rtwo"
    assert missing("", "\none", cut=False) == "\none"


def test_pieces_that_stand_in_the_log_already_are_counted() -> None:
    """Those at its end, from the first piece on."""
    assert already_in("one\ntwo\nthree", ["two\n", "three\n", "four\n"]) == 2
    assert already_in("one", ["two"]) == 0
    assert already_in("", []) == 0
    assert already_in("one", ["", "one"]) == 2
