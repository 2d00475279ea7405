"""What is said of metrics: exactly what is wrong, and nothing of a relay that works."""

import pytest

from relay.metrics.diagnosis import diagnose, lowered_limit
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
    "relay_connections_limit": 100,
    "relay_connections_configured_limit": 100,
    'relay_recent_events{event="refused_no_files"}': 0,
    'relay_recent_events{event="refused_limit"}': 0,
    'relay_recent_events{event="idle_closed"}': 0,
    'relay_recent_events{event="viewer_cut"}': 3,
    'relay_recent_events{event="viewer_caught_up"}': 4,
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
        ({"relay_open_files": 950}, "no-file-descriptors-are-left", "Too few file descriptors: 950 of 1000 are open"),
        (
            {'relay_upstream_succeeded_timestamp_seconds{provider="wiro"}': NOW - 90},
            "the-platform-does-not-answer",
            "failed 2 s ago, and the last answer came 90 s ago. Failures so far: unavailable (not reached) 4 times.",
        ),
        ({"relay_viewers_behind": 30}, "viewers-do-not-keep-up", "30 of 100"),
        (
            {
                "relay_viewers_behind": 0,
                'relay_recent_events{event="viewer_cut"}': 30,
                'relay_recent_events{event="viewer_caught_up"}': 0,
            },
            "viewers-do-not-keep-up",
            "30 viewers fell behind and were cut within the last ten minutes (code 4003: nothing was read for 60 s)",
        ),
        (
            {'relay_recent_events{event="refused_no_files"}': 5},
            "no-file-descriptors-are-left",
            "the relay refused 5 clients and closed 0 idle connections",
        ),
        (
            {'relay_recent_events{event="idle_closed"}': 1},
            "no-file-descriptors-are-left",
            "the relay refused 0 clients and closed 1 idle connection to make room",
        ),
        (
            {"relay_connections": 81, "relay_connections_configured_limit": 1000},
            "no-file-descriptors-are-left",
            "81 of 100 possible connections",
        ),
        (
            {"relay_connections": 81},
            "no-file-descriptors-are-left",
            "Almost all connections are in use: 81 of 100. Raise RELAY_CONNECTION_LIMIT.",
        ),
        (
            {'relay_recent_events{event="refused_limit"}': 7},
            "no-file-descriptors-are-left",
            "refused 7 clients within the last ten minutes because of RELAY_CONNECTION_LIMIT or RELAY_ADDRESS_LIMIT",
        ),
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


def test_a_platform_that_has_never_answered() -> None:
    """What counts as its last success is the start of the relay."""
    changes = {
        'relay_upstream_succeeded_timestamp_seconds{provider="wiro"}': NOW - 104,
        'relay_upstream_failed_timestamp_seconds{provider="wiro"}': NOW + 0.4,
        'relay_upstream_calls_total{provider="wiro",endpoint="/Run",outcome="ok"}': 0,
    }
    text = said(changes)["the-platform-does-not-answer"]
    assert "the last call failed 0 s ago, and none was answered since the relay started 104 s ago." in text


def test_a_limit_that_is_lowered_is_worth_a_note() -> None:
    """It is no problem yet."""
    lowered = {"relay_connections_configured_limit": 11_000.0, "relay_open_files_limit": 1024.0}
    assert said(lowered) == {}
    text = "".join(f"{name} {value}\n" for name, value in (HEALTHY | lowered).items())
    assert lowered_limit(Scrape(text)) == (
        "The limit on open files (1024) lowers the limit on connections from 11000 to 100."
    )
    assert lowered_limit(Scrape("")) is None


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
