"""
Estimates of the time left against the truth, for runs that the sandbox plans. Nothing waits: time is a number here.

The runs follow each other, and each is estimated by those before it. Of every run, the estimate that viewers see is
looked at several times, at random moments.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from relay.core.events import Cost, Output, Remaining, Source
from relay.core.history.input_class import input_class
from relay.core.history.task_times import TaskTimes
from relay.core.history.usual import ModelHistory
from relay.core.lifecycle import Lifecycle, submit
from relay.core.signals import Accepted, Record, RecordRead, StreamOpened
from relay.providers.wiro import frames as wiro
from relay.sandbox.switches.faults import Faults
from relay.sandbox.wiro import catalogue, frames
from relay.sandbox.wiro.plan import plan
from relay.sandbox.wiro.record import Identity
from relay.sandbox.wiro.record import Record as SandboxRecord

LOOKS: Final = 8
"""How often a run is looked at."""

SIZES: Final = ("2048x2048", "2560x1440", "1440x2560")
OUTPUT: Final = Output(content_type="image/png", name="0.png", url="https://example.com/0.png")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What a viewer saw of a run at some moment. `eta` is null if there was no estimate."""

    model: str
    at: float
    ended_at: float
    eta: Remaining | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How good estimates are. Shares are between 0 and 1."""

    samples: int
    known: float
    """The share of samples with an estimate."""
    within: float
    """The share of estimates whose range p50 to p90 has the true end."""
    late: float
    """The share of estimates whose run ended after p90."""


def score(samples: list[Sample]) -> Score:
    """Return how good the estimates are."""
    known = [(sample.eta, sample.ended_at) for sample in samples if sample.eta is not None]
    within = sum(eta.at + eta.p50_s <= ended_at <= eta.at + eta.p90_s for eta, ended_at in known)
    late = sum(ended_at > eta.at + eta.p90_s for eta, ended_at in known)
    return Score(
        samples=len(samples),
        known=len(known) / len(samples),
        within=within / max(1, len(known)),
        late=late / max(1, len(known)),
    )


def backtest(runs: int, seed: int) -> list[Sample]:
    """Simulate runs of all models of the sandbox, and return what viewers saw."""
    chance = random.Random(seed)  # noqa: S311 -- repeatable, not secret
    histories = {model.slug: ModelHistory() for model in catalogue.MODELS}
    samples: list[Sample] = []
    at = 1_700_000_000.0
    for index in range(runs):
        identity = _identity(index, chance)
        samples += _run(identity, histories[identity.model.slug], at, seed, chance)
        at += 60.0
    return samples


def _identity(index: int, chance: random.Random) -> Identity:
    model = chance.choice(catalogue.MODELS)
    choices = {"maxImages": (1, 1, 1, 2, 4, 9), "size": SIZES, "duration": ("5", "10"), "resolution": ("480p", "720p")}
    named = {each.id for each in model.inputs}
    inputs = {name: chance.choice(values) for name, values in choices.items() if name in named}
    return Identity(
        id=f"{index}",
        token=f"{index}",
        folder="",
        index=index,
        model=model,
        parameters=inputs,
        callback_url="",
        prompt="A red fox in the rain.",
        images=int(inputs.get("maxImages", 1)),
        size=(1, 1),
        dialect="gen1",
        faults=Faults(),
        cdn_url="",
    )


def _run(identity: Identity, history: ModelHistory, at: float, seed: int, chance: random.Random) -> Iterator[Sample]:
    """Simulate a run that is sent at a time."""
    model = identity.model.slug
    _, snapshot = submit(task=identity.id, model=model, provider="wiro", tags=(), epoch="e", now=at)
    lifecycle = Lifecycle(snapshot, at, times=TaskTimes(snapshot, history, input_class(identity.parameters)))
    lifecycle.receive(Accepted(upstream_id=identity.id), at)
    lifecycle.receive(StreamOpened(), at)
    steps = plan(identity, seed)
    ended_at = at + steps[-1].at_s
    looks = sorted(chance.uniform(at, ended_at) for _ in range(LOOKS))
    for step in steps:
        now = at + step.at_s
        while looks and looks[0] < now:
            yield Sample(model=model, at=looks.pop(0), ended_at=ended_at, eta=lifecycle.snapshot.eta)
        frame = frames.encode(step, identity, SandboxRecord(status=step.type, times={}))
        for signal in wiro.parse(frame).signals:
            lifecycle.receive(signal, now)
    cost = Cost(amount=identity.model.cps * (ended_at - at), unit="usd")
    record = Record(phase="finished", status="task_postprocess_end", exit_code=0, outputs=(OUTPUT,), cost=cost)
    lifecycle.receive(RecordRead(record=record, source=Source.RECONCILED), ended_at)
    if (tally := lifecycle.tally()) is not None:
        history.add(tally)
