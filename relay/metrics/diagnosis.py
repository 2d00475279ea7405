"""Say in words what is wrong with a relay, from its metrics and its readiness. The alert rules use the same limits."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from relay.metrics.scrape import Scrape

SLOW_S: Final = 1.0
"""A commit, or a lag of the event loop, that an operator should know about."""

RECENT_S: Final = 600.0
"""How old a failure or a sign may be."""

BEHIND_SHARE: Final = 0.2
BEHIND: Final = 10
"""With more viewers behind than this, in number and as a share, the cause is not a single client."""

FILES_SHARE: Final = 0.9
DISK_SHARE: Final = 0.1
LAG_S: Final = 5.0

SIGNS: Final = {
    "upgrade_missing": "WebSocket requests arrive without the header `Upgrade`. "
    "Have the proxy use HTTP/1.1 and pass on `Upgrade` and `Connection`.",
    "forwarded_untrusted": "A proxy reports client addresses with `X-Forwarded-For`, but is not trusted. "
    "Add its address to RELAY_TRUSTED_PROXIES.",
    "stream_http_1_0": "The proxy requests event streams over HTTP/1.0. Have it use HTTP/1.1 and not buffer responses.",
    "browser_poll": "Browsers poll, because neither WebSockets nor event streams get through. "
    "Have the proxy pass on upgrades and not buffer responses.",
    "origin_refused": "Pages of an origin that is not allowed were refused. If it is the relay's own, have the proxy "
    "pass on `Host` or set RELAY_PUBLIC_URL; otherwise add it to RELAY_ALLOWED_ORIGINS.",
}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Something that is wrong. `section` is the section of docs/diagnosing.md about it."""

    text: str
    section: str


def diagnose(scrape: Scrape, status: str, now: float) -> Iterator[Diagnosis]:
    """
    Yield what is wrong, the most severe first.

    Args:
        scrape: the metrics.
        status: that of `/readyz`.
        now: the relay's time in unix seconds.
    """
    yield from _store(scrape)
    yield from _files(scrape, status)
    yield from _platform(scrape, now)
    yield from _viewers(scrape)
    yield from _proxy(scrape, now)
    yield from _load(scrape)


def _store(scrape: Scrape) -> Iterator[Diagnosis]:
    section = "the-disk-is-slow"
    failing = [use for use, value in scrape.by("relay_journal_failing", "use").items() if value]
    if failing:
        yield Diagnosis(f"The store is failing: the last {' and the last '.join(failing)} did not succeed.", section)
    longest_s, waiting = (
        scrape.total("relay_journal_commit_longest_seconds"),
        scrape.total("relay_journal_queue_length"),
    )
    if longest_s > SLOW_S:
        yield Diagnosis(
            f"The disk of the store is slow: a commit took {longest_s:.1f} s within the last two minutes; less than "
            f"0.1 s is normal. Every event waits for its commit. Waiting writes: {waiting:.0f}.",
            section,
        )
    free, size = scrape.total("relay_disk_free_bytes"), scrape.total("relay_disk_size_bytes")
    if size and free / size < DISK_SHARE:
        yield Diagnosis(f"The disk is almost full: {free / 1e6:.0f} MB of {size / 1e6:.0f} MB are free.", section)


def _files(scrape: Scrape, status: str) -> Iterator[Diagnosis]:
    used, limit = scrape.total("relay_open_files"), scrape.total("relay_open_files_limit")
    refusing = "descriptors" in status
    if refusing or (limit and used / limit > FILES_SHARE):
        connections = scrape.total("relay_connections")
        refused = scrape.by("relay_viewers_refused_total", "reason").get("no_files", 0)
        yield Diagnosis(
            f"No file descriptors are left: {used:.0f} of {limit:.0f} are open, {connections:.0f} of them for clients. "
            f"The relay keeps the rest for platforms and the store. It has refused {refused:.0f} viewers for this "
            "reason since it started. Raise the limit on open files (`ulimit -n`, `LimitNOFILE=`).",
            "no-file-descriptors-are-left",
        )


def _platform(scrape: Scrape, now: float) -> Iterator[Diagnosis]:
    succeeded = scrape.by("relay_upstream_succeeded_timestamp_seconds", "provider")
    for provider, failed_at in scrape.by("relay_upstream_failed_timestamp_seconds", "provider").items():
        if failed_at > succeeded[provider] and now - failed_at < RECENT_S:
            calls = [each for each in scrape["relay_upstream_calls_total"] if each.labels["provider"] == provider]
            outcomes = {each.labels["outcome"] for each in calls} & {"server_error", "unavailable", "unclear"}
            yield Diagnosis(
                f"The platform {provider} does not answer: the last call failed {now - failed_at:.0f} s ago, and none "
                f"has succeeded for {now - succeeded[provider]:.0f} s. Failures so far: {', '.join(sorted(outcomes))}.",
                "the-platform-does-not-answer",
            )


def _viewers(scrape: Scrape) -> Iterator[Diagnosis]:
    behind, viewers = scrape.total("relay_viewers_behind"), scrape.total("relay_viewers")
    if behind > BEHIND and behind > BEHIND_SHARE * viewers:
        yield Diagnosis(
            f"Viewers do not keep up: {behind:.0f} of {viewers:.0f} read more slowly than events arrive. Those that "
            "read nothing for 60 s are disconnected with code 4003.",
            "viewers-do-not-keep-up",
        )


def _proxy(scrape: Scrape, now: float) -> Iterator[Diagnosis]:
    counts = scrape.by("relay_proxy_signs_total", "sign")
    for sign, seen_at in scrape.by("relay_proxy_sign_timestamp_seconds", "sign").items():
        if sign in SIGNS and now - seen_at < RECENT_S:
            yield Diagnosis(
                f"The proxy is misconfigured: {SIGNS[sign]} Seen {counts[sign]:.0f} times, most recently "
                f"{max(0.0, now - seen_at):.0f} s ago.",
                "the-proxy-is-misconfigured",
            )


def _load(scrape: Scrape) -> Iterator[Diagnosis]:
    section = "everything-is-slow"
    if (lag_s := scrape.total("relay_event_loop_lag_longest_seconds")) > SLOW_S:
        yield Diagnosis(f"The relay has too little CPU time: its event loop was {lag_s:.1f} s late.", section)
    if (lag_s := scrape.total("relay_journal_lag_seconds")) > LAG_S:
        yield Diagnosis(f"This node is {lag_s:.0f} s behind the commits of the other nodes.", section)
