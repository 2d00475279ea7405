"""When the record of a task is read. What follows from it is tested in test_lifecycle.py."""

from relay.core.events import State
from relay.core.schedule import CALLBACK_S, INCOMPLETE_CHECKS_S, UNCONFIRMED_CHECK_S, CheckSchedule, TimeLimits

LIMITS = TimeLimits(silence_s=60, streaming_check_s=40, poll_s=5, poll_longest_s=15)


def test_polls_slow_down_with_the_silence() -> None:
    """A tenth of the silence, within the two limits. News make them frequent again."""
    schedule = CheckSchedule(LIMITS, 0)
    intervals = []
    for now in (0, 20, 100, 1000):
        schedule.plan_next(now, ending=False)
        at = schedule.next_at(State.RUNNING, stalled=True)
        assert at is not None
        intervals.append(at - now)
    assert intervals == [5, 5, 10, 15]
    schedule.note_news(1000)
    schedule.plan_next(1001, ending=False)
    assert schedule.next_at(State.RUNNING, stalled=False) == 1006


def test_a_check_comes_forward_when_the_silence_reaches_its_limit() -> None:
    """Three times later in any other state than running, and only once."""
    schedule = CheckSchedule(LIMITS, 0)
    schedule.streaming = True
    schedule.plan_next(30, ending=False)
    assert schedule.next_at(State.RUNNING, stalled=False) == 60
    assert schedule.next_at(State.PREPARING, stalled=False) == 70
    schedule.plan_next(61, ending=False)
    assert schedule.next_at(State.RUNNING, stalled=False) == 101


def test_an_incomplete_record_is_read_again_at_growing_intervals() -> None:
    """Until the last of them; should a check be late, it is repeated every second."""
    schedule = CheckSchedule(LIMITS, 0)
    times, now = [], 0.0
    while schedule.awaits_completion(now):
        schedule.plan_next(now, ending=False)
        at = schedule.next_at(State.FINISHING, stalled=False)
        assert at is not None
        times.append(now := at)
    assert tuple(times) == INCOMPLETE_CHECKS_S
    schedule.plan_next(now, ending=False)
    assert schedule.next_at(State.FINISHING, stalled=False) == now + UNCONFIRMED_CHECK_S


def test_a_callback_and_a_terminal_frame_make_checks_frequent() -> None:
    """A callback for CALLBACK_S, a terminal frame until the record confirms it."""
    schedule = CheckSchedule(LIMITS, 0)
    schedule.note_callback(10)
    assert schedule.next_at(State.RUNNING, stalled=False) == 10
    schedule.plan_next(10, ending=False)
    assert schedule.next_at(State.RUNNING, stalled=False) == 10 + UNCONFIRMED_CHECK_S
    schedule.plan_next(10 + CALLBACK_S, ending=False)
    assert schedule.next_at(State.RUNNING, stalled=False) == 10 + CALLBACK_S + LIMITS.poll_s
    schedule.plan_next(25, ending=True)
    assert schedule.next_at(State.RUNNING, stalled=False) == 25 + UNCONFIRMED_CHECK_S


def test_a_stopped_schedule_plans_nothing() -> None:
    """A task that has ended is not read again."""
    schedule = CheckSchedule(LIMITS, 0)
    schedule.check_now(1)
    schedule.check_by(5)
    assert schedule.next_at(State.RUNNING, stalled=False) == 1
    schedule.stop()
    assert schedule.next_at(State.RUNNING, stalled=False) is None


def test_a_resumed_task_has_its_grace_but_not_more_than_its_deadline() -> None:
    """How long the relay was down, a wrong clock may have told."""
    limits = TimeLimits(deadline_s=7200, grace_s=3600)
    assert limits.lost_at(1000, 1000) == 8200
    assert limits.lost_at(1000, 1_000_000) == 1_003_600
    assert limits.lost_at(1_000_000, 1000) == 8200
