"""The queue of switches for the next calls."""

import pytest

from relay.errors import ConfigError
from relay.sandbox.switches.queue import SwitchQueue


def test_sets_of_switches_are_taken_in_order() -> None:
    """Values become text; an empty queue returns no switches."""
    queue = SwitchQueue()
    queue.put({"exit": 1, "silent": True, "welcome": False, "hold_at": ["task_queue", "task_start"]})
    queue.put({"exit": 2})

    assert len(queue) == 2
    assert queue.take() == {"exit": "1", "silent": "on", "welcome": "off", "hold_at": "task_queue|task_start"}
    assert (queue.take(), queue.take(), len(queue)) == ({"exit": "2"}, {}, 0)


def test_an_invalid_switch_is_refused_at_once() -> None:
    """The queue does not change."""
    queue = SwitchQueue()
    with pytest.raises(ConfigError, match="unknown switch 'exitt'"):
        queue.put({"exitt": 1})

    assert len(queue) == 0
