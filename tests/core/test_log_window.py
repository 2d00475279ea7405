"""The end of the log that a snapshot keeps."""

from relay.core.events import LateLog, Log
from relay.core.log_window import LOG_UNITS, add
from relay.core.utf16 import utf16_len


def out(text: str) -> Log:
    return Log(stream="stdout", text=text)


def err(text: str) -> Log:
    return Log(stream="stderr", text=text)


def test_neighbours_of_one_stream_are_joined() -> None:
    """Another stream in between starts a new entry."""
    log, _ = add((out("a"), err("b")), err("c"))
    assert log == (out("a"), err("bc"))
    assert add(log, out("d"))[0] == (out("a"), err("bc"), out("d"))


def test_the_log_is_cut_from_the_front() -> None:
    """Whole entries first, then the beginning of the next one. What was cut is counted in UTF-16 units."""
    log, dropped = add((err("x" * 10), out("y" * 10)), err("z" * (LOG_UNITS - 5)))
    assert (log, dropped) == ((out("y" * 5), err("z" * (LOG_UNITS - 5))), 15)


def test_a_surrogate_pair_is_not_split() -> None:
    """The whole character is dropped, although that is one unit more than necessary."""
    log, dropped = add((out("😀" * 3),), err("z" * (LOG_UNITS - 3)))
    assert (log[0], dropped) == (out("😀"), 4)
    assert sum(utf16_len(entry.text) for entry in log) == LOG_UNITS - 1


def test_late_text_is_inserted_at_its_place_in_its_stream() -> None:
    """The place is counted from the end of the stream, across entries of the other one."""
    log = (out("ab"), err("x"), out("cd"))
    assert add(log, LateLog(stream="stdout", text="+", before=1))[0] == (out("ab"), err("x"), out("c+d"))
    assert add(log, LateLog(stream="stdout", text="+", before=3))[0] == (out("a+b"), err("x"), out("cd"))


def test_late_text_whose_place_was_cut_off_goes_to_the_front() -> None:
    """It joins the first entry, if that is of its stream."""
    assert add((out("ab"),), LateLog(stream="stdout", text="+", before=9))[0] == (out("+ab"),)
    assert add((err("ab"),), LateLog(stream="stdout", text="+", before=9))[0] == (out("+"), err("ab"))
