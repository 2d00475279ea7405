"""Streamed answers: from the whole answer to what was added."""

from hypothesis import given
from hypothesis import strategies as st

from relay.core.events import Append, AppendOutput, Event, Source, State, Submit
from relay.core.log_window import LOG_UNITS
from relay.core.signals import Part
from relay.core.snapshot import Segment, apply, begin
from relay.core.transcript import appends
from relay.core.utf16 import utf16_len

FIRST = Event(
    type="submit",
    task="t",
    seq=1,
    state=State.SUBMITTING,
    at=1.0,
    source=Source.RELAY,
    data=Submit(model="o/m", provider="wiro"),
)
answers = st.lists(
    st.builds(Part, kind=st.sampled_from(["thinking", "answer"]), text=st.text("ab😀", max_size=8)), max_size=3
)


def written(segments: tuple[Segment, ...], found: list[Append]) -> tuple[Segment, ...]:
    """Return the segments after the appends."""
    state = begin(FIRST, "epoch")
    for append in [Append(segment=n, kind=s.kind, offset=0, text=s.text) for n, s in enumerate(segments)] + found:
        data = AppendOutput(append=append)
        event = Event(
            type="output", task="t", seq=state.seq + 1, state=State.RUNNING, at=1.0, source=Source.LIVE, data=data
        )
        state = apply(state, event)
    return state.segments


@given(answers, answers)
def test_the_appends_turn_one_answer_into_the_next(before: list[Part], after: list[Part]) -> None:
    """Whatever was rewritten. A part that was withdrawn is empty."""
    segments = tuple(Segment(kind=part.kind, text=part.text) for part in before)
    result = written(segments, appends(segments, tuple(after)))
    assert [(segment.kind, segment.text) for segment in result[: len(after)]] == [(p.kind, p.text) for p in after]
    assert all(not segment.text for segment in result[len(after) :])


def test_only_what_was_added_is_sent() -> None:
    """Nothing for an answer that has not changed."""
    segments = (Segment(kind="answer", text="one 😀"),)
    assert appends(segments, (Part(kind="answer", text="one 😀 two"),)) == [
        Append(segment=0, kind="answer", offset=6, text=" two")
    ]
    assert appends(segments, (Part(kind="answer", text="one 😀"),)) == []


def test_a_long_answer_comes_in_pieces() -> None:
    """Each fits into an event."""
    found = appends((), (Part(kind="answer", text="x" * (LOG_UNITS + 1)),))
    assert [utf16_len(append.text) for append in found] == [LOG_UNITS, 1]
    assert [append.offset for append in found] == [0, LOG_UNITS]


def test_a_part_that_is_withdrawn_is_emptied() -> None:
    """A segment cannot be removed. One that is empty already needs no append."""
    segments = (Segment(kind="thinking", text="hm"), Segment(kind="answer", text=""))
    assert appends(segments, ()) == [Append(segment=0, kind="thinking", offset=0, text="")]
