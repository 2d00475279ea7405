"""
Divide the file descriptors of the process between client connections and everything else.

What counts as in use includes the platforms' sockets, the store and uploads. Linux reports the number since 6.2:
https://docs.kernel.org/filesystems/proc.html#proc-pid-fd-list-of-symlinks-to-open-files. Elsewhere, the lowest free
number stands for it, which a new descriptor gets
(https://pubs.opengroup.org/onlinepubs/9799919799/functions/open.html). It is too low while others are open above it.
"""

import errno
import os
import resource
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

RESERVED = 10_000
RESERVED_SHARE = 4
"""Descriptors that connections leave free for platforms, store and uploads: 10 000, or a quarter if that is less."""

API_MAX = 1000
API_SHARE = 8
API_MIN = 32
"""Viewers and task streams leave an eighth more free for API calls, by clients and to platforms: 32 to 1000."""

FOLDER: Final = Path("/proc/self/fd")
"""Has an entry for each open descriptor, on Linux."""

LISTED_FOR_S: Final = 1.0
"""For how long a list of these entries is used: it takes milliseconds for a few thousand."""

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
        """Connections are accepted while no more descriptors than this are in use."""
        return self.limit - min(RESERVED, self.limit // RESERVED_SHARE)

    @property
    def for_viewers(self) -> int:
        """Viewers, and streams from platforms, are opened while no more descriptors than this are in use."""
        return self.for_connections - min(API_MAX, max(API_MIN, self.limit // API_SHARE))

    def in_use(self) -> int:
        """Return how many descriptors are open, or the lowest free one where the system does not say it at once."""
        return _reported() or self._lowest_free()

    def _lowest_free(self) -> int:
        """Return the lowest free descriptor, or `limit` if none is free."""
        try:
            number = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in EXHAUSTED:
                return self.limit
            raise
        os.close(number)
        return number


class OpenFiles:
    """Counts the open descriptors for operators, also where `Descriptors.in_use` may be too low."""

    def __init__(self, descriptors: Descriptors, clock: Callable[[], float]) -> None:
        """
        Args:
            descriptors: the limits.
            clock: returns monotonic seconds.
        """
        self._descriptors = descriptors
        self._clock = clock
        self._listed = 0
        self._list_again_at = clock()

    def count(self) -> int:
        """Return how many are open. Where this cannot be counted, return the lowest number that is free."""
        in_use = self._descriptors.in_use()
        if _reported():
            return in_use
        if (now := self._clock()) >= self._list_again_at:
            self._listed = _listed()
            self._list_again_at = now + LISTED_FOR_S
        return max(in_use, self._listed)


def _reported() -> int:
    """Return how many descriptors are open, or 0 if the system does not report it."""
    try:
        return FOLDER.stat().st_size
    except FileNotFoundError:
        return 0


def _listed() -> int:
    """Return how many descriptors the system lists, or 0 if it does not."""
    try:
        return sum(1 for _ in FOLDER.iterdir()) - 1  # without the one that reads the list
    except OSError:
        return 0
