"""
Finds the log text of a task that was missed, by comparing the written log with the text in the platform's record.

Platforms join lines differently, so white space is ignored in every comparison. Text without white space is called
bare.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from relay.core.events import Log, Stream
from relay.core.utf16 import utf16_len

_TAIL_CHARS: Final = 400
"""How much of the end of a cut log must be found in the record before the text after it is taken from there."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Text that was missed. It belongs before the last `before` UTF-16 units of the written text."""

    text: str
    before: int


@dataclass(slots=True)
class _Line:
    bare: str
    raw: str


def text_of(log: Iterable[Log], stream: Stream) -> str:
    """Return the text of one stream of a log."""
    return "".join(entry.text for entry in log if entry.stream == stream)


def as_lines(text: str, before: str) -> str:
    """
    Return a live message of the model as it is written to the log; `before` is the text of the stream so far.

    A message without a line end counts as a whole line: platforms strip line ends. A progress bar that rewrites its
    line starts with a carriage return and stays without one.
    """
    if text.endswith(("\n", "\r")) or text.startswith("\r"):
        return text
    line_start = "\n" if before and not before.endswith(("\n", "\r")) else ""
    return f"{line_start}{text}\n"


def gaps(ours: str, theirs: str, *, cut: bool) -> list[Gap]:
    """
    Return what `theirs` has that `ours` lacks, in order; nothing if the texts contradict each other.

    Equal lines are not treated as repetitions: each line of `theirs` matches one line of `ours` or is missing there.

    Args:
        ours: the log as it was written.
        theirs: the text in the platform's record.
        cut: whether `ours` has lost its beginning. Text that is missing there is left out.
    """
    have, whole = _bare(ours), _bare(theirs)
    if have == whole:
        return []
    found = _line_gaps(ours, theirs, cut=cut)
    if found is not None:
        return found
    if cut:
        return _beyond(have, whole, theirs)
    return _single_gap(ours, have, theirs, whole)


def already_in(theirs: str, pieces: Sequence[str]) -> int:
    """Return how many of the first `pieces` are the end of `theirs`: they were written before it was read."""
    whole, bare = _bare(theirs), [_bare(piece) for piece in pieces]
    joined = "".join(bare)
    end = len(joined)
    for count in range(len(bare), 0, -1):
        # Compare the last piece first: comparing all text for each of thousands of lines would take seconds.
        if whole.endswith(bare[count - 1]) and whole.endswith(joined[:end]):
            return count
        end -= len(bare[count - 1])
    return 0


def _line_gaps(ours: str, theirs: str, *, cut: bool) -> list[Gap] | None:
    """
    Match line by line, from the last to the first; null if `ours` has a line that `theirs` lacks.

    Taking the nearest match each time is enough, because `ours` is `theirs` with lines left out.
    """
    mine = _lines(ours)
    found: list[Gap] = []
    missing: list[str] = []
    before = blank = their_blank = 0
    for line in reversed(_lines(theirs)):
        while mine and not mine[-1].bare:
            before += utf16_len(mine.pop().raw)
            blank += 1
        if mine and line.bare and _same(mine[-1], line, cut=cut and len(mine) == 1):
            if missing:
                found.append(_gap(missing, before, ours, line_end_follows=blank > their_blank))
                missing = []
            before += utf16_len(mine.pop().raw)
            blank = their_blank = 0
        elif line.bare or missing:
            missing.append(line.raw)
        else:
            their_blank += 1
    if any(line.bare for line in mine):
        return None
    if missing and not cut:
        found.append(_gap(missing, before, ours, line_end_follows=blank > their_blank))
    return found[::-1]


def _gap(missing: list[str], before: int, ours: str, *, line_end_follows: bool) -> Gap:
    """
    Join missing lines, given from the last to the first, so that they do not run into their neighbours.

    A live message that starts with a line end has brought that of the line before it: `line_end_follows`.
    """
    text = "".join(reversed(missing))
    if line_end_follows:
        text = text.removesuffix("\n")
    if not before and ours and not ours.endswith(("\n", "\r")) and not text.startswith(("\r", "\n")):
        text = "\n" + text
    return Gap(text, before)


def _same(mine: _Line, line: _Line, *, cut: bool) -> bool:
    return line.bare == mine.bare or (cut and line.bare.endswith(mine.bare))


def _single_gap(ours: str, have: str, theirs: str, whole: str) -> list[Gap]:
    """Find the one place where text is missing, at the start of a line if possible. Messages may be split anywhere."""
    missing = len(whole) - len(have)
    latest = _common_prefix(have, whole)
    earliest = len(have) - _common_prefix(have[::-1], whole[::-1])
    if missing <= 0 or earliest > latest:
        return []
    if latest == len(have):
        return [Gap(_without_line_end(_after(theirs, latest), ours), 0)]
    starts = [start for start in _line_starts(ours) if earliest <= start <= latest]
    at = starts[-1] if starts else latest
    rest, behind = _after(theirs, at), _after(ours, at)
    if at and rest.startswith("\n") and behind.startswith("\n"):
        rest, behind = rest[1:], behind[1:]
    text = rest[: len(rest) - len(_after(rest, missing))]
    if text[-1:] != "\n" and _after(rest, missing).startswith("\n") and at in starts:
        text += "\n"
    return [Gap(text, utf16_len(behind))]


def _line_starts(text: str) -> list[int]:
    """Return the number of bare characters before each line. A carriage return starts a line, too."""
    starts, count = [0], 0
    for line in text.replace("\r", "\n").split("\n"):
        count += len(_bare(line))
        starts.append(count)
    return starts


def _beyond(have: str, whole: str, theirs: str) -> list[Gap]:
    """Find the text after the end of a log that was cut."""
    tail = have[-_TAIL_CHARS:]
    at = whole.rfind(tail)
    if not tail or at < 0 or at + len(tail) == len(whole):
        return []
    return [Gap(_after(theirs, at + len(tail)).lstrip("\r\n"), 0)]


def _without_line_end(rest: str, ours: str) -> str:
    """Strip the line end at the start of `rest` if `ours` already ends with it."""
    line_ends = rest[: len(rest) - len(rest.lstrip("\r\n"))]
    if ours and (last := ours[-1]) in line_ends:
        return rest[line_ends.index(last) + 1 :]
    return rest


def _lines(text: str) -> list[_Line]:
    """Split at line feeds only: what a carriage return rewrites is one line."""
    *ended, last = text.split("\n")
    raws = [*(line + "\n" for line in ended), *([last] if last else [])]
    return [_Line(_bare(raw), raw) for raw in raws]


def _common_prefix(one: str, other: str) -> int:
    """Return the length of the common prefix."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _bare(text: str) -> str:
    return "".join(text.split())


def _after(text: str, count: int) -> str:
    """Return what follows the first `count` bare characters."""
    index = 0
    while count:
        count -= not text[index].isspace()
        index += 1
    return text[index:]
