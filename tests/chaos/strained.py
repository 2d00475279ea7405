"""
`relay serve` under strain, with two things that a test cannot wait for or hope for.

A run of unknown outcome is looked for during seconds in place of two minutes. The tail comes late, as it may from
another process: a state that was just read then holds events that are told only afterwards.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

from relay.cli import main as cli
from relay.journal import sqlite
from relay.journal.base import Entry
from relay.journal.listeners import Tails
from relay.tasks import submission

LATE_S = 0.02


class LateTails(Tails):
    """Tails that tell everything in its order, and late."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: deque[Sequence[Entry]] = deque()

    def publish(self, entries: Sequence[Entry]) -> None:
        """Tell it in a moment."""
        self._waiting.append(entries)
        asyncio.get_running_loop().call_later(LATE_S, lambda: super(LateTails, self).publish(self._waiting.popleft()))


def main() -> None:
    """Run the command line like this."""
    submission.SEARCH_AFTER_S = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 2.0)
    sqlite.Tails = LateTails  # type: ignore[attr-defined]
    cli.main()


if __name__ == "__main__":
    main()
