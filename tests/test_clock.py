"""Clocks when the machine's clock is wrong, or is set."""

from hypothesis import given
from hypothesis import strategies as st

from relay.clock import CATCH_UP_RATE, CautiousClock, steady_from

T0 = 1_700_000_000.0
DAY_S = 86_400.0


class Machine:
    """A machine with a clock that can be set."""

    def __init__(self) -> None:
        self.wall_s, self.ticks_s = T0, 50.0

    def wait(self, seconds: float) -> None:
        self.wall_s += seconds
        self.ticks_s += seconds

    def wall(self) -> float:
        return self.wall_s

    def ticks(self) -> float:
        return self.ticks_s


def test_a_steady_clock_counts_elapsed_seconds_only() -> None:
    """Setting the machine's clock does not change it."""
    machine = Machine()
    clock = steady_from(T0 + 7, machine.ticks)
    machine.wall_s -= 2 * DAY_S
    machine.wait(3)
    assert clock() == T0 + 10


def test_a_cautious_clock_follows_a_clock_that_does_not_jump() -> None:
    """Small corrections of the machine's clock are followed too."""
    machine = Machine()
    clock = CautiousClock(machine.wall, None, machine.ticks)
    for step_s in (0.0, 0.02, -0.02):
        machine.wait(1)
        machine.wall_s += step_s
        assert clock() == machine.wall_s


def test_a_jump_ahead_is_followed_slowly_and_one_back_at_once() -> None:
    """An hour after a jump of 40 days, it is ten hours ahead; when the clock is corrected, it is correct again."""
    machine = Machine()
    clock = CautiousClock(machine.wall, None, machine.ticks)
    machine.wall_s += 40 * DAY_S
    assert clock() == T0
    for _ in range(60):
        machine.wait(60)
        clock()
    assert clock() == T0 + CATCH_UP_RATE * 3600
    machine.wall_s -= 40 * DAY_S
    assert clock() == machine.wall_s


def test_a_cautious_clock_catches_up_after_a_break() -> None:
    """After a weekend off, it is correct within hours."""
    machine = Machine()
    clock = CautiousClock(machine.wall, T0 - 2 * DAY_S, machine.ticks)
    assert clock() == T0 - 2 * DAY_S
    machine.wait(6 * 3600)
    assert clock() == machine.wall_s


jumps = st.lists(st.tuples(st.floats(0, 1e5), st.floats(-1e7, 1e7)), max_size=30)


@given(jumps)
def test_a_cautious_clock_is_never_ahead_and_never_too_fast(steps: list[tuple[float, float]]) -> None:
    """This holds for any sequence of changes of the machine's clock."""
    machine = Machine()
    clock = CautiousClock(machine.wall, None, machine.ticks)
    before = clock()
    for wait_s, jump_s in steps:
        machine.wait(wait_s)
        machine.wall_s += jump_s
        now = clock()
        assert now <= machine.wall_s
        assert now <= before + CATCH_UP_RATE * wait_s + 1e-3
        before = now
