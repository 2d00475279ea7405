"""The switchboard: what is read from text, and what is refused."""

import pytest

from relay.errors import ConfigError
from relay.sandbox.switches.directives import directives, without_directives
from relay.sandbox.switches.faults import Faults
from relay.sandbox.switches.values import Close, HttpFault, Refusal


def test_a_directive_may_stand_anywhere_in_a_text_and_is_not_part_of_the_prompt() -> None:
    """Switches are taken out of the text around them."""
    text = "a cat [sandbox: early_close=task_start:1006, silent, exit=1] in the snow"

    assert directives([text]) == {"early_close": "task_start:1006", "silent": "", "exit": "1"}
    assert without_directives(f"{text}[SANDBOX: exit=2]") == "a cat  in the snow"


def test_a_value_may_hold_a_comma() -> None:
    """Only a comma before the name of another switch ends a value."""
    switches = directives(["[sandbox: run_error=96:Busy, wait, please, exit=3]"])

    assert switches == {"run_error": "96:Busy, wait, please", "exit": "3"}


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
def test_each_kind_of_value_is_read_from_text(name: str, text: str, value: object) -> None:
    """A switch turns its text into a typed value."""
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
    ],
)
def test_a_wrong_switch_names_itself(name: str, text: str) -> None:
    """Whoever mistypes a switch learns which one it was."""
    with pytest.raises(ConfigError, match=name):
        Faults().with_switches({name: text})


def test_no_switch_is_on_by_default() -> None:
    """Setting nothing changes nothing."""
    assert Faults().with_switches({}) == Faults()
