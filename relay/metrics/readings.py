"""What each metric is read from, by the areas of `relay.metrics.families`."""

import resource
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from relay.hub.close_codes import TOO_SLOW
from relay.metrics.exposition import Reading
from relay.metrics.families import Labels, Value
from relay.metrics.sources import Sources

_WIRES: Final = {"websocket": "websocket", "json-lines": "poll"}
"""By the name of the framing. All others are event streams."""

_STATM: Final = Path("/proc/self/statm")


def _one(name: str, value: Value | None) -> Reading:
    """Return a metric without labels, and without a sample if the value is not known."""
    return name, [] if value is None else [((), value)]


def _by_wire(counts: Iterable[tuple[str, float]]) -> Iterable[tuple[Labels, float]]:
    totals = Counter[Labels]()
    for framing, count in counts:
        totals[_WIRES.get(framing, "sse"),] += int(count)
    return totals.items()


def _viewers(of: Sources) -> Iterator[Reading]:
    counts = of.hub.counts
    yield "relay_viewers", _by_wire((framing.name, count) for framing, count in counts.connected.items())
    yield _one("relay_viewers_behind", of.hub.slow_viewers)
    yield _one("relay_viewers_fell_behind_total", counts.slow["fell_behind",])
    yield _one("relay_viewers_caught_up_total", counts.slow["caught_up",])
    yield "relay_viewers_joined_total", _by_wire((name, count) for (name,), count in counts.joined.items())
    yield "relay_viewers_refused_total", of.web.viewers_refused.items()
    yield "relay_subscriptions_total", counts.subscribed.items()
    yield "relay_disconnects_total", counts.disconnected.items()
    yield "relay_delivered_events_total", _by_wire((key.name, sent.events) for key, sent in counts.sent.items())
    yield "relay_delivered_bytes_total", _by_wire((key.name, sent.size_bytes) for key, sent in counts.sent.items())
    yield _one("relay_channels", of.hub.channels)


def _journal(of: Sources) -> Iterator[Reading]:
    commits, load = of.journal.commits, of.journal.load
    yield _one("relay_journal_commit_seconds", commits.durations)
    yield _one("relay_journal_commit_longest_seconds", max(commits.longest.value, commits.running_s))
    yield _one("relay_journal_commit_running_seconds", commits.running_s)
    yield _one("relay_journal_queue_length", load.queued)
    yield "relay_journal_failing", [((use,), use in load.failing) for use in ("read", "write")]
    yield _one("relay_journal_lag_seconds", load.lag_s)
    yield _one("relay_store_bytes", of.samples.store_bytes)
    yield _one("relay_disk_free_bytes", of.samples.disk_free_bytes)
    yield _one("relay_disk_size_bytes", of.samples.disk_size_bytes)


def _tasks(of: Sources) -> Iterator[Reading]:
    counts, states, stalled = of.supervisor.counts, Counter[Labels](), 0
    for snapshot in of.supervisor.states():
        states[snapshot.state.value,] += 1
        stalled += snapshot.stall is not None
    yield "relay_followed_tasks", states.items()
    yield _one("relay_stalled_tasks", stalled)
    yield "relay_queued_tasks", [((name,), count) for name, count in of.supervisor.queued().items()]
    yield "relay_started_tasks_total", counts.started.items()
    yield "relay_ended_tasks_total", counts.ended.items()
    yield "relay_spent_total", counts.spent.items()
    yield "relay_task_phase_seconds", counts.phases.items()


def _upstream(of: Sources) -> Iterator[Reading]:
    counted = of.upstream.items()
    yield (
        "relay_upstream_calls_total",
        [((name, *labels), count) for name, counts in counted for labels, count in counts.calls.items()],
    )
    yield (
        "relay_upstream_call_seconds",
        [((name, endpoint), durations) for name, counts in counted for endpoint, durations in counts.durations.items()],
    )
    yield "relay_upstream_succeeded_timestamp_seconds", [((name,), counts.succeeded_at) for name, counts in counted]
    yield (
        "relay_upstream_failed_timestamp_seconds",
        [((name,), counts.failed_at) for name, counts in counted if counts.failed_at is not None],
    )
    yield "relay_upstream_streams_total", of.supervisor.counts.streams.items()


def _files(of: Sources) -> Iterator[Reading]:
    yield _one("relay_spool_bytes", of.spool.used_bytes)
    yield _one("relay_spool_limit_bytes", of.spool.limit_bytes)
    yield _one("relay_spool_uploads", of.spool.uploads)
    yield _one("relay_archive_bytes", of.samples.archive_bytes)
    yield "relay_archive_copies_total", of.archive.copies.items() if of.archive is not None else ()
    yield "relay_webhook_attempts_total", of.webhook_attempts.items()
    yield _one("relay_webhooks_pending", of.samples.webhooks_pending)


def _web(of: Sources) -> Iterator[Reading]:
    yield "relay_requests_total", of.web.requests.items()
    yield _one("relay_request_seconds", of.web.durations)
    yield "relay_auth_failures_total", of.web.auth_failures.items()
    yield "relay_proxy_signs_total", of.web.proxy_signs.items()
    yield "relay_proxy_sign_timestamp_seconds", of.web.proxy_signs_at.items()
    yield _one("relay_connections", of.connections.connections)
    yield _one("relay_connections_limit", of.connections.limit)
    yield _one("relay_connections_configured_limit", of.connections.configured_limit)
    yield _one("relay_connections_dismissed_total", of.connections.dismissed)
    yield "relay_connections_refused_total", of.connections.refused.items()
    yield _one("relay_accept_failures_total", of.web.accepts_failed)


def _process(of: Sources) -> Iterator[Reading]:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    yield _one("relay_open_files", of.connections.open_files)
    yield _one("relay_open_files_limit", of.connections.descriptors.limit)
    yield _one("relay_event_loop_lag_seconds", of.loop_lag.seconds)
    yield _one("relay_event_loop_lag_longest_seconds", of.loop_lag.longest.value)
    yield _one("relay_cpu_seconds_total", usage.ru_utime + usage.ru_stime)
    yield _one("relay_resident_memory_bytes", _resident_bytes())
    yield _one("relay_start_timestamp_seconds", of.started_at)
    yield _one("relay_draining", of.supervisor.draining)
    yield "relay_build_info", [((of.version, of.python), 1)]


def recent_counters(of: Sources) -> dict[str, float]:
    """Return the counters whose recent growth is a metric, by the name of the event."""
    connections, viewers, slow = of.connections.refused, of.web.viewers_refused, of.hub.counts.slow
    return {
        "viewer_fell_behind": slow["fell_behind",],
        "viewer_caught_up": slow["caught_up",],
        "viewer_cut": of.hub.counts.disconnected[str(TOO_SLOW.code),],
        "refused_limit": connections["limit",] + viewers["limit",],
        "refused_no_files": connections["no_files",] + viewers["no_files",] + of.web.accepts_failed,
        "idle_closed": of.connections.dismissed,
    }


def _resident_bytes() -> int | None:
    """Return the memory of this process; null where there is no /proc."""
    try:
        return int(_STATM.read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    except OSError:
        return None


AREAS: Final[tuple[Callable[[Sources], Iterator[Reading]], ...]] = (
    _viewers,
    _journal,
    _tasks,
    _upstream,
    _files,
    _web,
    _process,
)
"""Each area yields its metrics."""
