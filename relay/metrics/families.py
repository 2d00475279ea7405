"""
Every metric of the relay: its name, its type, its labels and what it means. docs/metrics.md has a line for each.

No label is a task, a tag, a key or an address, so the number of series is bounded.
"""

from dataclasses import dataclass
from typing import Final, Literal

from relay.counting import Histogram

Labels = tuple[str, ...]
Value = float | Histogram


@dataclass(frozen=True, slots=True)
class Family:
    """A metric. The name of a counter ends with `_total`, as in queries."""

    name: str
    kind: Literal["counter", "gauge", "histogram", "info"]
    help: str
    labels: Labels = ()


_VIEWERS = (
    Family("relay_viewers", "gauge", "Connected viewers.", ("wire",)),
    Family("relay_viewers_behind", "gauge", "Viewers that read more slowly than events arrive."),
    Family("relay_viewers_fell_behind_total", "counter", "Viewers whose write buffer was full."),
    Family("relay_viewers_caught_up_total", "counter", "Viewers that fell behind and then received the state instead."),
    Family("relay_viewers_joined_total", "counter", "Viewers that connected.", ("wire",)),
    Family("relay_viewers_refused_total", "counter", "Viewers that were refused.", ("reason",)),
    Family("relay_subscriptions_total", "counter", "Subscriptions by their beginning.", ("outcome",)),
    Family("relay_disconnects_total", "counter", "Viewers that were disconnected, by close code.", ("code",)),
    Family("relay_delivered_events_total", "counter", "Events written to viewers, once per viewer.", ("wire",)),
    Family("relay_delivered_bytes_total", "counter", "Bytes of events written to viewers.", ("wire",)),
    Family("relay_channels", "gauge", "Tasks and tags that have viewers."),
)

_JOURNAL = (
    Family("relay_journal_commit_seconds", "histogram", "Durations of the journal's commits."),
    Family("relay_journal_commit_longest_seconds", "gauge", "The longest commit of the last one to two minutes."),
    Family("relay_journal_commit_running_seconds", "gauge", "How long the current commit has been running."),
    Family("relay_journal_queue_length", "gauge", "Writes that wait for the next commit."),
    Family("relay_journal_failing", "gauge", "1 if the last use of the store failed.", ("use",)),
    Family("relay_journal_lag_seconds", "gauge", "How far this node is behind the commits of other nodes."),
    Family("relay_store_bytes", "gauge", "Size of the stored data."),
    Family("relay_disk_free_bytes", "gauge", "Free space on the file system of the store."),
    Family("relay_disk_size_bytes", "gauge", "Size of the file system of the store."),
)

_TASKS = (
    Family("relay_followed_tasks", "gauge", "Tasks that this node follows.", ("state",)),
    Family("relay_stalled_tasks", "gauge", "Followed tasks without news for longer than is normal."),
    Family("relay_queued_tasks", "gauge", "Tasks of this node that wait for the platform's capacity.", ("provider",)),
    Family("relay_started_tasks_total", "counter", "Tasks that were created.", ("provider",)),
    Family("relay_ended_tasks_total", "counter", "Tasks that ended.", ("provider", "verdict")),
    Family("relay_spent_total", "counter", "Cost of the tasks that ended.", ("unit",)),
    Family("relay_task_phase_seconds", "histogram", "Durations of the phases of ended tasks.", ("model", "phase")),
)

_UPSTREAM = (
    Family("relay_upstream_calls_total", "counter", "Calls to the platform.", ("provider", "endpoint", "outcome")),
    Family("relay_upstream_call_seconds", "histogram", "Durations of calls to the platform.", ("provider", "endpoint")),
    Family(
        "relay_upstream_succeeded_timestamp_seconds",
        "gauge",
        "When the platform last answered a call, or the start.",
        ("provider",),
    ),
    Family("relay_upstream_failed_timestamp_seconds", "gauge", "When a call last failed.", ("provider",)),
    Family("relay_upstream_streams_total", "counter", "Attempts to open a live stream.", ("provider", "outcome")),
)

_FILES = (
    Family("relay_spool_bytes", "gauge", "Size of the uploads that wait to be sent."),
    Family("relay_spool_limit_bytes", "gauge", "Limit on the size of the uploads (RELAY_SPOOL_LIMIT)."),
    Family("relay_spool_uploads", "gauge", "Uploads that wait to be sent."),
    Family("relay_archive_bytes", "gauge", "Size of the kept results. Only with an archive."),
    Family("relay_archive_copies_total", "counter", "Attempts to copy a file. Only with an archive.", ("outcome",)),
)

_WEBHOOKS = (
    Family("relay_webhook_attempts_total", "counter", "Attempts to deliver a webhook.", ("outcome",)),
    Family("relay_webhooks_pending", "gauge", "Webhooks in the store that have been neither delivered nor given up."),
)

_WEB = (
    Family("relay_requests_total", "counter", "HTTP requests.", ("method", "route", "status")),
    Family("relay_request_seconds", "histogram", "Time until a request was answered or its stream began."),
    Family("relay_auth_failures_total", "counter", "Credentials that were missing or invalid.", ("where",)),
    Family("relay_proxy_signs_total", "counter", "Signs of a misconfigured proxy.", ("sign",)),
    Family("relay_proxy_sign_timestamp_seconds", "gauge", "When the sign was last seen.", ("sign",)),
    Family("relay_connections", "gauge", "Open connections of clients, including those of viewers."),
    Family("relay_connections_limit", "gauge", "Limit on connections, lowered if there are too few file descriptors."),
    Family("relay_connections_configured_limit", "gauge", "Limit on connections with enough file descriptors."),
    Family("relay_connections_dismissed_total", "counter", "Idle connections that were closed to make room."),
    Family("relay_connections_refused_total", "counter", "Connections that the relay closed at once.", ("reason",)),
    Family("relay_accept_failures_total", "counter", "Connections that the relay could not accept."),
    Family("relay_recent_events", "gauge", "What was counted within the last ten minutes.", ("event",)),
)

_PROCESS = (
    Family("relay_open_files", "gauge", "Open file descriptors."),
    Family("relay_open_files_limit", "gauge", "Limit on open file descriptors."),
    Family("relay_event_loop_lag_seconds", "histogram", "How late the event loop runs scheduled callbacks."),
    Family("relay_event_loop_lag_longest_seconds", "gauge", "The longest lag of the last one to two minutes."),
    Family("relay_cpu_seconds_total", "counter", "CPU time of the process."),
    Family("relay_resident_memory_bytes", "gauge", "Memory of the process."),
    Family("relay_start_timestamp_seconds", "gauge", "When the process started."),
    Family("relay_draining", "gauge", "1 while the relay shuts down."),
    Family("relay_build_info", "info", "Versions of the relay and of Python.", ("version", "python")),
)

FAMILIES: Final = {
    family.name: family
    for group in (_VIEWERS, _JOURNAL, _TASKS, _UPSTREAM, _FILES, _WEBHOOKS, _WEB, _PROCESS)
    for family in group
}
