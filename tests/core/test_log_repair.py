"""Which log text was missed, and where it belongs."""

from hypothesis import given
from hypothesis import strategies as st

from relay.core.log_repair import Gap, already_in, as_lines, gaps
from relay.core.utf16 import utf16_cut, utf16_len

lines = st.lists(st.text("ab c", max_size=5), max_size=8)
repeating = st.lists(st.sampled_from(["tick", "tock", "", "50%", "😀"]), max_size=12)


def bare(text: str) -> str:
    return "".join(text.split())


def filled(ours: str, found: list[Gap]) -> str:
    """Return the text with the gaps filled."""
    for gap in found:
        before, after = utf16_cut(ours, utf16_len(ours) - gap.before)
        ours = before + gap.text + after
    return ours


@given(repeating, st.data())
def test_missing_lines_are_found_even_among_equal_ones(theirs: list[str], data: st.DataObject) -> None:
    """With the gaps filled, the text is that of the record."""
    kept = [line for line in theirs if data.draw(st.booleans())]
    ours, whole = "".join(f"{line}\n" for line in kept), "".join(f"{line}\n" for line in theirs)
    mended = filled(ours, gaps(ours, whole, cut=False))
    assert [line for line in mended.split("\n") if line] == [line for line in theirs if line]


@given(repeating, st.data())
def test_text_before_the_beginning_of_a_cut_log_is_not_missing(theirs: list[str], data: st.DataObject) -> None:
    """Only gaps after it are filled."""
    first = data.draw(st.integers(0, len(theirs)))
    whole, rest = "".join(f"{line}\n" for line in theirs), [line for line in theirs[first:] if line]
    kept = [line for number, line in enumerate(rest) if number == 0 or data.draw(st.booleans())]
    ours = "".join(f"{line}\n" for line in kept)
    mended = bare(filled(ours, gaps(ours, whole, cut=True)))
    assert bare(whole).endswith(mended)
    assert len(mended) >= len(bare(ours))


@given(lines, lines)
def test_text_at_the_end_is_found_however_lines_were_joined(ours: list[str], more: list[str]) -> None:
    """The record contains the written text and more."""
    have, whole = "".join(ours), "\n".join([*ours, *more])
    assert bare(filled(have, gaps(have, whole, cut=False))) == bare(whole)


@given(lines, lines)
def test_a_record_that_contradicts_the_log_adds_nothing(ours: list[str], theirs: list[str]) -> None:
    """Text is never repeated on a guess."""
    have = "x" + "".join(ours)
    assert gaps(have, "\n".join(theirs), cut=False) == []


def test_a_cut_log_continues_where_its_end_is_found() -> None:
    """Its first line may be half a line."""
    assert gaps("two\nthree\n", "one\ntwo\nthree\nfour\n", cut=True) == [Gap("four\n", 0)]
    assert gaps("wo\nthree\n", "one\ntwo\nand\nthree\n", cut=True) == [Gap("and\n", 6)]
    assert gaps("elsewhere", "one\ntwo\n", cut=True) == []


def test_text_that_was_missed_before_the_first_live_line_goes_before_it() -> None:
    """The model wrote it first."""
    assert gaps("three\nfour\n", "one\ntwo\nthree\nfour\n", cut=False) == [Gap("one\ntwo\n", 11)]


def test_a_single_gap_is_found_although_messages_split_lines() -> None:
    """The record has the line in one piece."""
    assert gaps("Load\ning\nready\n", "Loading\nready\n", cut=False) == []
    assert gaps("Load\ning\nready\n", "Loading\nwait\nready\n", cut=False) == [Gap("wait\n", 6)]


def test_a_gap_is_placed_at_the_start_of_a_line() -> None:
    """Not after the letters with which the missing and the following line both begin."""
    bars = "\rLoading shards 0%\rLoading shards 50%"
    said = "Loading pipeline\n"
    assert gaps(bars, f"{said}\rLoading shards 0%\n\rLoading shards 50%", cut=False) == [Gap(said, len(bars))]


def test_only_the_line_end_that_was_written_is_left_out() -> None:
    """A blank line, or the carriage return of a bar, belongs to the missing text."""
    assert gaps("one\n", "one\n\r 50%|", cut=False) == [Gap("\r 50%|", 0)]
    assert gaps("one\n", "one\n\ntwo", cut=False) == [Gap("\ntwo", 0)]
    assert gaps("one\n", "one\r\ntwo", cut=False) == [Gap("two", 0)]
    assert gaps("one\n", "one\rtwo", cut=False) == [Gap("\rtwo", 0)]
    assert gaps("", "\none", cut=False) == [Gap("\none", 0)]
    assert gaps("\r 50%|", "\r 50%|\ndone\n", cut=False) == [Gap("\ndone\n", 0)]


def test_pieces_at_the_end_of_the_record_are_counted() -> None:
    """From the first piece on."""
    assert already_in("one\ntwo\nthree", ["two\n", "three\n", "four\n"]) == 2
    assert already_in("one", ["two"]) == 0
    assert already_in("", []) == 0
    assert already_in("one", ["", "one"]) == 2


def test_a_message_is_a_line_with_or_without_its_line_end() -> None:
    """A bar that rewrites its line has no line end, and the next message starts a new line."""
    said = ["Loading", "two\nlines", "ended\n", "\r 10%|", "\r 20%|", "done", "crlf\r\n"]
    text = ""
    for message in said:
        text += as_lines(message, text)
    assert text == "Loading\ntwo\nlines\nended\n\r 10%|\r 20%|\ndone\ncrlf\r\n"


def test_a_missed_last_line_takes_the_line_end_of_a_blank_one() -> None:
    """The record has no blank line there."""
    assert gaps("a\n\n", "a\nb", cut=False) == [Gap("b", 1)]


def test_a_cut_log_that_contradicts_the_record_adds_nothing() -> None:
    """Its end is not in the record, or the record ends with it."""
    assert gaps("abc", "xyz", cut=True) == []
    assert gaps("zz ab", "xx zzab", cut=True) == []


def test_text_that_was_missed_within_a_line_is_inserted_there() -> None:
    """No line end is added to it."""
    assert gaps("ac", "abc", cut=False) == [Gap("b", 1)]


def test_messages_that_the_record_has_joined_are_continued() -> None:
    """The line end that was written already is not repeated."""
    assert gaps("a\nb\n", "ab\nc", cut=False) == [Gap("c", 0)]
    assert gaps("b\nc\n", "a b c d", cut=True) == [Gap(" d", 0)]


def test_blank_lines_are_not_missing_text() -> None:
    """Only together with a missing line."""
    assert gaps("a\nb\n", "a\n\nb\n\n", cut=False) == []
    assert gaps("a\n", "a\n\nb\n\n", cut=False) == [Gap("\nb\n", 0)]


def test_a_record_with_different_text_adds_nothing() -> None:
    """Neither a shorter nor a longer one."""
    assert gaps("abc", "xy", cut=False) == []
    assert gaps("abc", "xyzzy", cut=False) == []


def test_a_live_message_that_starts_with_a_line_end_ends_the_missed_line() -> None:
    """The bar before it was missed, and must not be followed by a blank line that the record does not have."""
    bar = "Loading: 1/2\rLoading: 2/2"
    assert filled("\nDone.\n", gaps("\nDone.\n", f"{bar}\nDone.\n", cut=False)) == f"{bar}\nDone.\n"
    started = "Start.\n\nDone.\n"
    assert filled(started, gaps(started, f"Start.\n{bar}\nDone.\n", cut=False)) == f"Start.\n{bar}\nDone.\n"
    blank = f"{bar}\n\nDone.\n"
    assert filled("\nDone.\n", gaps("\nDone.\n", blank, cut=False)) == blank
