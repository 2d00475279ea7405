"""
Divide the file descriptors of the process between client connections and everything else.

A new descriptor gets the lowest free number (https://pubs.opengroup.org/onlinepubs/9799919799/functions/open.html), so
its number shows how many are in use. That includes the platforms' sockets, the store and uploads.
"""

import errno
import os
import resource
from dataclasses import dataclass
from typing import Self

RESERVED = 10_000
RESERVED_SHARE = 4
"""Descriptors that connections leave free for platforms, store and uploads: 10 000, or a quarter if that is less."""

API_MAX = 1000
API_SHARE = 8
API_MIN = 32
"""Viewers and task streams leave an eighth more free for API calls, by clients and to platforms: 32 to 1000."""

EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""Errors of `accept` and `open` when the process or the system has no descriptor or memory left."""


@dataclass(frozen=True, slots=True)
class Descriptors:
    """The descriptor limits of the process."""

    limit: int
    """How many descriptors the process may open."""

    @classmethod
    def raise_limit(cls, connections: int) -> Self:
        """Raise the limit of the process to what `connections` and the reserve need, up to its hard limit."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < connections + RESERVED:
            soft = min(connections + RESERVED, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return cls(soft)

    @property
    def for_connections(self) -> int:
        """Connections get descriptors below this number."""
        return self.limit - min(RESERVED, self.limit // RESERVED_SHARE)

    @property
    def for_viewers(self) -> int:
        """Viewers, and streams from platforms, get descriptors below this number."""
        return self.for_connections - min(API_MAX, max(API_MIN, self.limit // API_SHARE))

    def lowest_free(self) -> int:
        """Return the lowest free descriptor, or `limit` if none is free."""
        try:
            number = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in EXHAUSTED:
                return self.limit
            raise
        os.close(number)
        return number
