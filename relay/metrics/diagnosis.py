"""Say in words what is wrong with a relay, from its metrics and its readiness. The alert rules use the same limits."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

from relay.metrics.scrape import Scrape

SLOW_S: Final = 1.0
"""A commit, or a lag of the event loop, that an operator should know about."""

RECENT_S: Final = 600.0
"""How old a failure or a sign may be."""

BEHIND_SHARE: Final = 0.2
BEHIND: Final = 10
"""With more viewers behind than this, in number and as a share, the cause is not a single client."""

FILES_SHARE: Final = 0.9
CONNECTIONS_SHARE: Final = 0.8
DISK_SHARE: Final = 0.1
LAG_S: Final = 5.0

FAILURES: Final = {"unavailable": "not reached", "unclear": "no answer", "server_error": "answered with an error"}
"""The outcomes of calls that mean that the platform does not work."""

ANSWERS: Final = ("ok", "refused", "unauthorized", "rate_limited")
"""The outcomes that mean that it works."""

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


@dataclass(frozen=True, slots=True)
class Use:
    """How many of something are in use, and how many may be. The limit is 0 if it is not known."""

    used: float
    limit: float

    @classmethod
    def of_files(cls, scrape: Scrape) -> Self:
        """Return that of file descriptors."""
        return cls(scrape.total("relay_open_files"), scrape.total("relay_open_files_limit"))

    @classmethod
    def of_connections(cls, scrape: Scrape) -> Self:
        """Return that of connections."""
        return cls(scrape.total("relay_connections"), scrape.total("relay_connections_limit"))

    @property
    def share(self) -> float:
        """The used part, from 0 to 1."""
        return self.used / self.limit if self.limit else 0.0


def counted(count: float, noun: str) -> str:
    """Return a number with its noun, such as `2 viewers`."""
    return f"{count:.0f} {noun}{'' if count == 1 else 's'}"


def ago(seconds: float) -> str:
    """Return an age in words. The relay's time is in whole seconds, so it may be just before an event."""
    return f"{max(0.0, seconds):.0f} s"


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
    if (longest_s := scrape.total("relay_journal_commit_longest_seconds")) > SLOW_S:
        waiting = scrape.total("relay_journal_queue_length")
        yield Diagnosis(
            f"The disk of the store is slow: a commit took {longest_s:.1f} s within the last two minutes; less than "
            f"0.1 s is normal. Every event waits for its commit.{f' Waiting writes: {waiting:.0f}.' * (waiting > 0)}",
            section,
        )
    free, size = scrape.total("relay_disk_free_bytes"), scrape.total("relay_disk_size_bytes")
    if size and free / size < DISK_SHARE:
        yield Diagnosis(f"The disk is almost full: {free / 1e6:.0f} MB of {size / 1e6:.0f} MB are free.", section)


def _files(scrape: Scrape, status: str) -> Iterator[Diagnosis]:
    section = "no-file-descriptors-are-left"
    files, connections = Use.of_files(scrape), Use.of_connections(scrape)
    recent = scrape.by("relay_recent_events", "event")
    refused, closed, over_limit = (recent.get(name, 0) for name in ("refused_no_files", "idle_closed", "refused_limit"))
    is_lowered = lowered_limit(scrape) is not None
    is_full = connections.share > CONNECTIONS_SHARE
    if "descriptors" in status or files.share > FILES_SHARE or refused or closed or (is_full and is_lowered):
        yield Diagnosis(
            f"Too few file descriptors: {files.used:.0f} of {files.limit:.0f} are open, and "
            f"{connections.used:.0f} of {connections.limit:.0f} possible connections. Within the last ten minutes, "
            f"the relay refused {counted(refused, 'client')} and closed {counted(closed, 'idle connection')} to make "
            "room. The rest of the descriptors is for platforms and the store. Raise the limit on open files "
            "(`ulimit -n`, `LimitNOFILE=`).",
            section,
        )
    elif is_full:
        yield Diagnosis(
            f"Almost all connections are in use: {connections.used:.0f} of {connections.limit:.0f}. "
            "Raise RELAY_CONNECTION_LIMIT.",
            section,
        )
    if over_limit:
        yield Diagnosis(
            f"The relay refused {counted(over_limit, 'client')} within the last ten minutes because of "
            "RELAY_CONNECTION_LIMIT or RELAY_ADDRESS_LIMIT. The log has their addresses.",
            section,
        )


def lowered_limit(scrape: Scrape) -> str | None:
    """Return a sentence about a limit on connections that is lower than the configured one, or null."""
    limit, configured = scrape.total("relay_connections_limit"), scrape.total("relay_connections_configured_limit")
    if limit >= configured:
        return None
    files = scrape.total("relay_open_files_limit")
    return (
        f"The limit on open files ({files:.0f}) lowers the limit on connections from {configured:.0f} to {limit:.0f}."
    )


def _platform(scrape: Scrape, now: float) -> Iterator[Diagnosis]:
    succeeded = scrape.by("relay_upstream_succeeded_timestamp_seconds", "provider")
    for provider, failed_at in scrape.by("relay_upstream_failed_timestamp_seconds", "provider").items():
        if failed_at > succeeded[provider] and now - failed_at < RECENT_S:
            outcomes = Counter[str]()
            for each in scrape["relay_upstream_calls_total"]:
                if each.labels["provider"] == provider:
                    outcomes[each.labels["outcome"]] += int(each.value)
            failures = [
                f"{outcome} ({meaning}) {counted(outcomes[outcome], 'time')}"
                for outcome, meaning in FAILURES.items()
                if outcomes[outcome]
            ]
            answered = any(outcomes[outcome] for outcome in ANSWERS)
            last = "the last answer came" if answered else "none was answered since the relay started"
            yield Diagnosis(
                f"The platform {provider} does not answer: the last call failed {ago(now - failed_at)} ago, and {last} "
                f"{ago(now - succeeded[provider])} ago. Failures so far: {', '.join(failures)}. `relay check` calls it "
                "once and prints the reason.",
                "the-platform-does-not-answer",
            )


def _viewers(scrape: Scrape) -> Iterator[Diagnosis]:
    recent = scrape.by("relay_recent_events", "event")
    cut, caught_up = recent.get("viewer_cut", 0), recent.get("viewer_caught_up", 0)
    behind, viewers = scrape.total("relay_viewers_behind"), scrape.total("relay_viewers") + cut
    if behind + cut > BEHIND and behind + cut > BEHIND_SHARE * viewers:
        were_cut = (
            f"{counted(cut, 'viewer')} fell behind and {'was' if cut == 1 else 'were'} cut within the last ten "
            "minutes (code 4003: nothing was read for 60 s)"
        )
        are_behind = f"{behind:.0f} of {viewers - cut:.0f} connected viewers read more slowly than events arrive"
        parts = [text for count, text in ((behind, are_behind), (cut, were_cut)) if count]
        yield Diagnosis(
            f"Viewers do not keep up: {'; '.join(parts)}; {f'{caught_up:.0f}' if caught_up else 'none'} caught up.",
            "viewers-do-not-keep-up",
        )


def _proxy(scrape: Scrape, now: float) -> Iterator[Diagnosis]:
    counts = scrape.by("relay_proxy_signs_total", "sign")
    for sign, seen_at in scrape.by("relay_proxy_sign_timestamp_seconds", "sign").items():
        if sign in SIGNS and now - seen_at < RECENT_S:
            yield Diagnosis(
                f"The proxy is misconfigured: {SIGNS[sign]} Seen {counted(counts[sign], 'time')}; last seen "
                f"{ago(now - seen_at)} ago.",
                "the-proxy-is-misconfigured",
            )


def _load(scrape: Scrape) -> Iterator[Diagnosis]:
    section = "everything-is-slow"
    if (lag_s := scrape.total("relay_event_loop_lag_longest_seconds")) > SLOW_S:
        yield Diagnosis(f"The relay has too little CPU time: its event loop was {lag_s:.1f} s late.", section)
    if (lag_s := scrape.total("relay_journal_lag_seconds")) > LAG_S:
        yield Diagnosis(f"This node is {lag_s:.0f} s behind the commits of the other nodes.", section)
