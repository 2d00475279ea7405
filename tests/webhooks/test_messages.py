"""Which events lead to which webhooks, and what these say."""

import json
from dataclasses import replace

from relay.core.events import (
    Began,
    Data,
    Done,
    Event,
    Log,
    LogOutput,
    Output,
    Results,
    Source,
    Stage,
    State,
    Submit,
    Submitted,
)
from relay.core.snapshot import begin, fold
from relay.webhooks.messages import messages_of

PICTURE = Output(content_type="image/png", name="0.png", url="https://cdn.example.com/0.png")


def log(*steps: tuple[str, Data, State]) -> list[Event]:
    """Return a log: `submit`, then these events."""
    every = [("submit", Submit(model="o/m", provider="wiro", tags=("t",)), State.SUBMITTING), *steps]
    return [
        Event(type=kind, task="task", seq=seq, state=state, at=1_700_000_000 + seq / 8, source=Source.LIVE, data=data)
        for seq, (kind, data, state) in enumerate(every, 1)
    ]


def test_a_task_leads_to_webhooks_in_order() -> None:
    """Results at the end of a stage follow the stage; a stage without results has none; other events are left out."""
    events = log(
        ("submitted", Submitted(upstream_id="7"), State.QUEUED),
        ("queue", Began(), State.QUEUED),
        ("output", LogOutput(log=Log(stream="stdout", text="x")), State.RUNNING),
        ("postprocess_end", Results(outputs=()), State.FINISHING),
        ("output", Results(outputs=(PICTURE,)), State.FINISHING),
        ("done", Done(verdict="succeeded"), State.SUCCEEDED),
    )
    messages = list(messages_of(begin(events[0], "e"), events[1:]))
    assert [message.type for message in messages] == [
        "task.started",
        "task.stage",
        "task.stage",
        "task.results",
        "task.done",
    ]
    with_results = log(("postprocess_end", Results(outputs=(PICTURE,)), State.FINISHING))
    both = messages_of(begin(with_results[0], "e"), with_results[1:])
    assert [message.type for message in both] == ["task.stage", "task.results"]
    for stage in Stage:
        data: Data = Results(outputs=()) if stage is Stage.POSTPROCESS_END else Began()
        events = log((stage.value, data, State.RUNNING))
        assert [message.type for message in messages_of(begin(events[0], "e"), events[1:])] == ["task.stage"]


def test_a_webhook_carries_the_state_right_after_its_event() -> None:
    """Even if later events are committed with it. It has neither log nor segments."""
    events = log(
        ("output", LogOutput(log=Log(stream="stdout", text="secret")), State.RUNNING),
        ("submitted", Submitted(upstream_id="7"), State.QUEUED),
        ("done", Done(verdict="succeeded"), State.SUCCEEDED),
    )
    started, done = messages_of(begin(events[0], "e"), events[1:])

    after = fold(begin(events[0], "e"), events[1:3])
    body = json.loads(started.body())
    assert body["type"] == "task.started"
    assert body["timestamp"] == "2023-11-14T22:13:20.375000Z"
    assert body["data"]["seq"] == after.seq == 3
    assert body["data"]["done"] is None
    assert (body["data"]["log"], body["data"]["segments"]) == ([], [])
    assert set(body) == {"type", "timestamp", "data"}
    assert set(body["data"]) == set(after.__dataclass_fields__)
    assert json.loads(done.body())["data"]["done"]["verdict"] == "succeeded"


def test_a_webhook_has_one_id_for_each_receiver() -> None:
    """The same each time, and without a full stop, which separates it from the rest of what is signed."""
    events = log(("done", Done(verdict="succeeded"), State.SUCCEEDED))
    (message,) = messages_of(begin(events[0], "e"), events[1:])
    (same,) = messages_of(begin(events[0], "e"), events[1:])
    ids = [message.id_for("https://a/"), message.id_for("https://b/"), replace(message, key="x").id_for("https://a/")]
    assert same.id_for("https://a/") == ids[0]
    assert len(set(ids)) == 3
    assert all("." not in each for each in ids)
