"""Directives in texts."""

from relay.sandbox.switches.directives import directives, without_directives


def test_a_directive_is_removed_from_the_prompt() -> None:
    """It can be anywhere in the text."""
    text = "a cat [sandbox: early_close=task_start:1006, silent, exit=1] in the snow"

    assert directives([text]) == {"early_close": "task_start:1006", "silent": "", "exit": "1"}
    assert without_directives(f"{text}[SANDBOX: exit=2]") == "a cat  in the snow"


def test_a_value_can_contain_commas() -> None:
    """Only a comma in front of a switch's name ends a value."""
    switches = directives(["[sandbox: run_error=96:Busy, wait, please, exit=3]"])

    assert switches == {"run_error": "96:Busy, wait, please", "exit": "3"}
