"""What is counted of requests."""

import time
from collections.abc import Callable
from typing import Final

from relay.counting import Histogram, LabeledCounter

SIGNS: Final = ("upgrade_missing", "forwarded_untrusted", "stream_http_1_0", "browser_poll", "origin_refused")
"""What a relay sees of a reverse proxy that is not configured as docs/reverse-proxies.md describes."""


class WebCounts:
    """The requests since the start of the process."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """
        Args:
            clock: returns unix seconds.
        """
        self._clock = clock
        self.requests = LabeledCounter()
        """By method, route and status."""
        self.durations = Histogram()
        """Of the requests that were answered, in seconds. A stream counts until it begins."""
        self.auth_failures = LabeledCounter()
        """Credentials that were missing, invalid or expired: of a `request`, a `websocket` or a `subscription`."""
        self.viewers_refused = LabeledCounter({(reason,): 0 for reason in ("limit", "no_files", "draining")})
        """By reason."""
        self.accepts_failed = 0
        """Connections that the kernel did not hand over, because there were no file descriptors or no memory."""
        self.proxy_signs = LabeledCounter({(sign,): 0 for sign in SIGNS})
        """By sign (see SIGNS)."""
        self.proxy_signs_at: dict[tuple[str, ...], float] = {}
        """When each sign was seen last, in unix seconds."""

    def answered(self, method: str, route: str, status: int, duration_s: float) -> None:
        """Count a request; `status` is 0 if the client left before there was an answer."""
        self.requests[method, route, str(status)] += 1
        self.durations.observe(duration_s)
        if status == 401:
            self.auth_failures["request",] += 1

    def proxy_sign(self, sign: str) -> None:
        """Count a sign of a misconfigured proxy."""
        self.proxy_signs[sign,] += 1
        self.proxy_signs_at[sign,] = self._clock()
