"""The values of switches, parsed from text. Their types are in `values`."""

from dataclasses import fields

import pytest

from relay.errors import ConfigError
from relay.sandbox.switches.faults import Faults
from relay.sandbox.switches.values import BodyStop, Close, HttpFault, Refusal


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("dialect", "gen2", "gen2"),
        ("welcome", "off", False),
        ("silent", "", True),
        ("percentages", "100|0|NaN||>100", ("100", "0", "NaN", "", ">100")),
        ("early_close", "task_end:1011", Close(stage="task_end", code=1011)),
        ("hold_at", "task_queue|task_end", ("task_queue", "task_end")),
        ("odd_frames", "not_json|binary", ("not_json", "binary")),
        ("detail_lag_s", "0.5", 0.5),
        ("flaky", "0.1", 0.1),
        ("run_error", "97:Insufficient balance", Refusal(code=97, message="Insufficient balance")),
        ("run_http", "502:html*2", HttpFault(status=502, kind="html", count=2)),
        ("run_http", "drop", HttpFault(status=200, kind="drop", count=1_000_000_000)),
        ("detail_http", "429", HttpFault(status=429, kind="envelope", count=1_000_000_000)),
    ],
)
def test_each_type_of_value_is_parsed(name: str, text: str, value: object) -> None:
    """The parser follows from the type of the switch."""
    assert getattr(Faults().with_switches({name: text}), name) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("no_such_switch", "1"),
        ("dialect", "gen9"),
        ("silent", "perhaps"),
        ("exit", "-1"),
        ("detail_lag_s", "soon"),
        ("cut_share", "1.5"),
        ("early_close", "task_start:99"),
        ("hold_at", "task_dream"),
        ("run_error", "no"),
        ("run_http", "*3"),
        ("run_http", "500:melted"),
        ("body_stop", "many"),
    ],
)
def test_an_invalid_switch_is_refused(name: str, text: str) -> None:
    """The message names the switch."""
    with pytest.raises(ConfigError, match=name):
        Faults().with_switches({name: text})


def test_an_empty_body_stop_has_a_default_fault() -> None:
    """413 with an HTML page is what a proxy sends."""
    assert Faults().with_switches({"body_stop": "1"}).body_stop == BodyStop(
        after_bytes=1, fault=HttpFault(status=413, kind="html", count=1_000_000_000)
    )


@pytest.mark.parametrize(
    "name", [switch.name for switch in fields(Faults) if switch.type not in (str, tuple[str, ...])]
)
def test_every_switch_but_free_text_refuses_something(name: str) -> None:
    """The error says what the switch accepts."""
    with pytest.raises(ConfigError, match=f"sandbox: {name} must be "):
        Faults().with_switches({name: "?"})
