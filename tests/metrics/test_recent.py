"""The growth of counters within the last ten minutes."""

from relay.metrics.recent import EVERY_S, WINDOW_S, RecentEvents


def test_what_is_older_than_the_window_does_not_count() -> None:
    """Everything counts at first, and nothing after ten minutes without an event."""
    now, counted = 0.0, {"cut": 5.0}
    recent = RecentEvents(lambda: dict(counted), lambda: now)
    assert recent.counts == {"cut": 0}
    counted["cut"] = 8.0
    assert recent.counts == {"cut": 3}
    for seen in (3.0, 0.0):
        end = now + WINDOW_S
        while now < end - EVERY_S:
            now += EVERY_S
            recent.note()
        assert recent.counts == {"cut": seen}
        now += 2 * EVERY_S
        recent.note()
        assert recent.counts == {"cut": 0}
