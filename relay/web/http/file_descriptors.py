"""
File descriptors: how many the process may open, and how many of them client connections may take.

A new descriptor always gets the lowest free number (POSIX `open`), so that number says how full the table is. Nothing
has to be counted, and everything else that is open counts: the platforms' sockets, the store, uploads.
"""

import errno
import os
import resource
from dataclasses import dataclass
from typing import Self

RESERVED = 10_000
RESERVED_SHARE = 4
"""Connections leave this many descriptors free for platforms, store and uploads, or one in four where that is less."""

CALLS = 1000
CALLS_SHARE = 8
CALLS_LEAST = 32
"""Viewers and streams of tasks leave this many more free for calls, ours and clients': one in eight, within bounds."""

EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""What `accept` and `open` fail with when the process or the system has none left."""


@dataclass(frozen=True, slots=True)
class Descriptors:
    """The process's table of descriptors."""

    limit: int
    """How many it holds."""

    @classmethod
    def raised(cls, wanted: int) -> Self:
        """Let the process open as many as `wanted` connections and the reserve need, as far as the system permits."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < wanted + RESERVED:
            soft = min(wanted + RESERVED, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return cls(soft)

    @property
    def for_connections(self) -> int:
        """Connections get numbers below this one."""
        return self.limit - min(RESERVED, self.limit // RESERVED_SHARE)

    @property
    def for_viewers(self) -> int:
        """Viewers, and the streams that the relay opens to platforms, get numbers below this one."""
        return self.for_connections - min(CALLS, max(CALLS_LEAST, self.limit // CALLS_SHARE))

    def lowest_free(self) -> int:
        """Return the lowest free number; `limit` when there is none."""
        try:
            number = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in EXHAUSTED:
                return self.limit
            raise
        os.close(number)
        return number
