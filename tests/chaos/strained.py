"""
`relay serve` with two changes that make rare situations frequent.

A run with an unknown outcome is searched for during seconds instead of two minutes. Listeners of the journal are
notified late, as from another process, so that a state that was just read has events that are delivered afterwards.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

from relay.cli import main as cli
from relay.journal.entries import Appended
from relay.journal.listeners import Listeners
from relay.journal.sqlite import journal
from relay.tasks import search

LATE_S = 0.02


class LateListeners(Listeners):
    """Listeners that are called in order, LATE_S after each commit."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: deque[Sequence[Appended]] = deque()

    def publish(self, appended: Sequence[Appended]) -> None:
        """Call the listeners later."""
        self._waiting.append(appended)
        asyncio.get_running_loop().call_later(
            LATE_S, lambda: super(LateListeners, self).publish(self._waiting.popleft())
        )


def main() -> None:
    """Run the command line with these changes."""
    search.SEARCH_AFTER_S = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 2.0)
    journal.Listeners = LateListeners  # type: ignore[attr-defined]
    cli.main()


if __name__ == "__main__":
    main()
