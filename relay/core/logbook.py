"""
What of a task's text was missed: the log that we have against the log that the upstream kept.

The upstream joins its lines as it likes, so white space is left out of every comparison.
"""

from collections.abc import Iterable, Sequence

from relay.core.events import Log, Stream

_TAIL_CHARS = 400
"""How much of the end of a cut log must be found again to believe that the rest goes on from there."""


def text_of(log: Iterable[Log], stream: Stream) -> str:
    """Return what the log has of one stream."""
    return "".join(entry.text for entry in log if entry.stream == stream)


def missing(ours: str, theirs: str, *, cut: bool) -> str:
    """
    Return what `theirs` has beyond the end of `ours`; nothing where it does not go on from there.

    Args:
        ours: the text that we have.
        theirs: the upstream's whole text.
        cut: whether `ours` has lost its beginning.
    """
    have, whole = _bare(ours), _bare(theirs)
    if cut:
        tail = have[-_TAIL_CHARS:]
        at = whole.rfind(tail)
        known = at + len(tail) if tail and at >= 0 else len(whole)
    else:
        known = len(have) if whole.startswith(have) else len(whole)
    if known == len(whole):
        return ""
    rest = _after(theirs, known)
    line_ends = rest[: len(rest) - len(rest.lstrip("\r\n"))]
    if ours and (last := ours[-1]) in line_ends:  # the line that we have has its end already
        rest = rest[line_ends.index(last) + 1 :]
    return rest


def already_in(theirs: str, pieces: Sequence[str]) -> int:
    """Return how many of `pieces`, from the first, `theirs` ends with: they were written before it was read."""
    whole, bare = _bare(theirs), [_bare(piece) for piece in pieces]
    joined = "".join(bare)
    end = len(joined)
    for count in range(len(bare), 0, -1):
        # The last piece first: comparing all of the text for each of thousands of lines would take seconds.
        if whole.endswith(bare[count - 1]) and whole.endswith(joined[:end]):
            return count
        end -= len(bare[count - 1])
    return 0


def _bare(text: str) -> str:
    return "".join(text.split())


def _after(text: str, count: int) -> str:
    """Return what follows the first `count` characters that are no white space."""
    for index, char in enumerate(text):
        if count == 0:
            return text[index:]
        if not char.isspace():
            count -= 1
    return ""
