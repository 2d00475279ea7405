"""Entries: what a journal and its readers know about an event without decoding its data."""

import pytest

from relay.core.codec import EVENT_TYPES
from relay.core.events import (
    Append,
    AppendOutput,
    Began,
    Cancel,
    Data,
    Done,
    Event,
    Hold,
    LateLog,
    Log,
    LogOutput,
    Output,
    Progress,
    ProgressOutput,
    Results,
    Source,
    Stage,
    Stall,
    State,
    Submit,
    Submitted,
)
from relay.journal.entries import Entry

LURE = '"data":{"log":{"text":"x"}},"type":"done","state":"failed"'
"""Text from outside that imitates the fields of an event."""

WITHOUT_TEXT: list[tuple[str, Data]] = [
    ("submit", Submit(model=LURE, provider=LURE, tags=(LURE, "log", "append"))),
    ("hold", Hold(reason=LURE, position=1)),
    ("submitted", Submitted(upstream_id=LURE)),
    *((stage.value, Began()) for stage in Stage if stage is not Stage.POSTPROCESS_END),
    ("output", ProgressOutput(progress=Progress(percent=3.0, label=LURE))),
    ("output", Results(outputs=(Output(content_type="raw", content={"log": LURE, "append": LURE}),))),
    ("postprocess_end", Results(outputs=(Output(content_type="image/png", name="log", url=LURE),))),
    ("cancel", Cancel(by=LURE)),
    ("stall", Stall(silent_s=1.0, checked=LURE)),
    ("stall_end", Stall(silent_s=1.0, checked=LURE)),
    ("done", Done(verdict="failed", evidence=(LURE,))),
]
WITH_TEXT: list[tuple[str, Data]] = [
    ("output", LogOutput(log=Log(stream="stderr", text=LURE))),
    ("output", LogOutput(log=LateLog(stream="stdout", text=LURE, before=3))),
    ("output", AppendOutput(append=Append(segment=0, kind=LURE, offset=0, text=LURE))),
]


def event(kind: str, data: Data, state: State = State.RUNNING) -> Event:
    return Event(type=kind, task="t1", seq=7, state=state, at=1.5, source=Source.LIVE, data=data)


def test_the_samples_cover_every_event_type() -> None:
    """A new type of event needs a sample here."""
    assert {kind for kind, _ in (*WITHOUT_TEXT, *WITH_TEXT)} == set(EVENT_TYPES)


@pytest.mark.parametrize(("kind", "data"), [*WITHOUT_TEXT, *WITH_TEXT])
def test_an_entry_read_from_its_body_equals_the_one_made_from_the_event(kind: str, data: Data) -> None:
    """Both ways give the same type, state and `adds_text`, whatever text the data contains."""
    one = event(kind, data)
    entry = Entry.of(one)

    assert Entry.parse(entry.body) == entry
    assert entry.event == one
    assert (entry.task, entry.seq, entry.type, entry.state) == ("t1", 7, kind, State.RUNNING)
    assert entry.adds_text is ((kind, data) in WITH_TEXT)
    assert entry.final is (kind == "done")


@pytest.mark.parametrize("state", State)
def test_an_entry_has_the_state_after_its_event(state: State) -> None:
    """The state is the enum member, however the entry was made."""
    entry = Entry.of(event("start", Began(), state))

    assert entry.state is Entry.parse(entry.body).state is state


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"not json",
        b'{"type":"start","task":"t1","seq":7,"state":"flying","data":{}}',
        b'{"type":"output","task":"t1","seq":7,"state":"running","data":null}',
    ],
)
def test_a_body_that_is_not_an_event_is_a_value_error(body: bytes) -> None:
    """Damaged JSON, missing fields and unknown states are refused."""
    with pytest.raises(ValueError, match=r"."):
        Entry.parse(body)
