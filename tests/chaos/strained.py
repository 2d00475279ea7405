"""
`relay serve` under strain, with two things that a test cannot wait for or hope for.

A run of unknown outcome is looked for during seconds in place of two minutes. The tail comes late, as it may from
another process: a state that was just read then holds events that are told only afterwards.
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
    """Run the command line like this."""
    search.SEARCH_AFTER_S = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 2.0)
    journal.Listeners = LateListeners  # type: ignore[attr-defined]
    cli.main()


if __name__ == "__main__":
    main()
