"""Sets of switches."""

from relay.sandbox.switches.faults import Faults


def test_setting_no_switches_changes_nothing() -> None:
    """An empty set of switches returns equal faults."""
    assert Faults().with_switches({}) == Faults()


def test_switches_override_the_ones_set_before() -> None:
    """The original does not change."""
    faults = Faults(exit=1, silent=True)
    changed = faults.with_switches({"exit": "2"})

    assert (changed.exit, changed.silent, faults.exit) == (2, True, 1)
