"""What is said of metrics: exactly what is wrong, and nothing of a relay that works."""

import pytest

from relay.metrics.diagnosis import diagnose
from relay.metrics.families import FAMILIES
from relay.metrics.scrape import Scrape

NOW = 10_000.0

HEALTHY = {
    'relay_journal_failing{use="read"}': 0,
    'relay_journal_failing{use="write"}': 0,
    "relay_journal_commit_longest_seconds": 0.2,
    "relay_journal_queue_length": 3,
    "relay_journal_lag_seconds": 0.1,
    "relay_disk_free_bytes": 50e9,
    "relay_disk_size_bytes": 100e9,
    "relay_open_files": 100,
    "relay_open_files_limit": 1000,
    "relay_connections": 80,
    'relay_viewers_refused_total{reason="no_files"}': 5,
    'relay_upstream_succeeded_timestamp_seconds{provider="wiro"}': NOW - 1,
    'relay_upstream_failed_timestamp_seconds{provider="wiro"}': NOW - 2,
    'relay_upstream_calls_total{provider="wiro",endpoint="/Run",outcome="unavailable"}': 4,
    'relay_upstream_calls_total{provider="wiro",endpoint="/Run",outcome="ok"}': 40,
    'relay_viewers{wire="sse"}': 60,
    'relay_viewers{wire="websocket"}': 40,
    "relay_viewers_behind": 15,
    'relay_proxy_signs_total{sign="browser_poll"}': 3,
    'relay_proxy_sign_timestamp_seconds{sign="browser_poll"}': NOW - 3600,
    "relay_event_loop_lag_longest_seconds": 0.2,
}


def said(changes: dict[str, float], status: str = "ok") -> dict[str, str]:
    """Return what is said of a relay that differs from a healthy one, by section."""
    text = "".join(f"{name} {value}\n" for name, value in (HEALTHY | changes).items())
    return {each.section: each.text for each in diagnose(Scrape(text), status, NOW)}


def test_a_relay_that_works_has_no_problem() -> None:
    """Its last failure is followed by a success, one viewer in seven is behind, and a sign is an hour old."""
    assert {name.partition("{")[0] for name in HEALTHY} <= FAMILIES.keys()
    assert said({}) == {}
    assert [*diagnose(Scrape(""), "ok", NOW)] == []


@pytest.mark.parametrize(
    ("changes", "section", "words"),
    [
        ({"relay_journal_commit_longest_seconds": 4.25}, "the-disk-is-slow", "a commit took 4.2 s"),
        ({'relay_journal_failing{use="write"}': 1}, "the-disk-is-slow", "the last write did not succeed"),
        ({"relay_disk_free_bytes": 5e9}, "the-disk-is-slow", "5000 MB of 100000 MB are free"),
        ({"relay_open_files": 950}, "no-file-descriptors-are-left", "950 of 1000 are open"),
        (
            {'relay_upstream_succeeded_timestamp_seconds{provider="wiro"}': NOW - 90},
            "the-platform-does-not-answer",
            "none has succeeded for 90 s. Failures so far: unavailable.",
        ),
        ({"relay_viewers_behind": 30}, "viewers-do-not-keep-up", "30 of 100"),
        (
            {'relay_proxy_sign_timestamp_seconds{sign="browser_poll"}': NOW - 5},
            "the-proxy-is-misconfigured",
            "Browsers poll, because neither WebSockets nor event streams get through.",
        ),
        ({"relay_event_loop_lag_longest_seconds": 2.5}, "everything-is-slow", "2.5 s late"),
        ({"relay_journal_lag_seconds": 20}, "everything-is-slow", "20 s behind"),
    ],
)
def test_each_fault_is_named_and_no_other(changes: dict[str, float], section: str, words: str) -> None:
    """With its numbers."""
    found = said(changes)
    assert set(found) == {section}
    assert words in found[section]


def test_the_readiness_says_that_no_files_are_left() -> None:
    """It counts what the relay keeps for other things, which the metrics do not say."""
    assert set(said({}, "few file descriptors are left")) == {"no-file-descriptors-are-left"}


def test_an_outage_that_is_long_past_is_history() -> None:
    """Without another call, it is unknown whether the platform works."""
    old = {
        'relay_upstream_succeeded_timestamp_seconds{provider="wiro"}': NOW - 5000,
        'relay_upstream_failed_timestamp_seconds{provider="wiro"}': NOW - 4000,
    }
    assert said(old) == {}


def test_a_sign_that_a_later_version_adds_is_passed_over() -> None:
    """The command may be older than the relay."""
    assert said({'relay_proxy_sign_timestamp_seconds{sign="new"}': NOW}) == {}
