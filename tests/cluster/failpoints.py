"""
`relay serve` with short leases, of which one node kills or stops itself once, at a point that the environment names.

FAILPOINT is one of `POINTS`, FAILPOINT_NODE the name of the node, and FAILPOINT_SIGNAL that of the signal that its
process sends to itself there.
"""

import os
import signal
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from relay.cli import main as cli
from relay.core.events import State
from relay.journal.postgres.jobs import Job
from relay.journal.postgres.writer import Writer
from relay.providers.outgoing import OutgoingBody
from tests.cluster.short_times import shorten

COMMITS: Final = {
    "create": ("submit", State.SUBMITTING),
    "hold": ("hold", State.HELD),
    "release": ("hold", State.SUBMITTING),
    "accept": ("submitted", State.QUEUED),
}
"""Commits by name: the type and the state of an event that is in one of them only."""

SENDS: Final = ("first byte", "last byte")
POINTS: Final = (*(f"{when} {name}" for name in COMMITS for when in ("before", "after")), *SENDS)
"""Before a commit is sent, after its answer has arrived, before a run's first byte, after its last."""


class Failpoint:
    """The point at which the process signals itself, the first time it is reached."""

    def __init__(self, name: str, number: signal.Signals) -> None:
        if name not in POINTS:
            raise ValueError(f"FAILPOINT must be one of {', '.join(POINTS)}; it is {name!r}")
        self._name = name
        self._number = number
        self._is_over = False

    def reached(self, *names: str) -> None:
        """Signal this process if one of these points is the one."""
        if self._name in names and not self._is_over:
            self._is_over = True
            os.kill(os.getpid(), self._number)


def install(failpoint: Failpoint) -> None:
    """Let this process reach the failpoint."""
    call, pieces = Writer._call, OutgoingBody._pieces

    async def observed_call(writer: Writer, group: Sequence[Job], number: int) -> Any:
        names = _names(group)
        failpoint.reached(*(f"before {name}" for name in names))
        answer = await call(writer, group, number)
        failpoint.reached(*(f"after {name}" for name in names))
        return answer

    async def observed_pieces(body: OutgoingBody) -> AsyncIterator[bytes]:
        is_run = body.attempt.send_until_s < float("inf")
        begun = False
        async for piece in pieces(body):
            if is_run and not begun:
                failpoint.reached("first byte")
            begun = True
            yield piece
        if is_run:  # the client has written the last piece before it asks for another one
            failpoint.reached("last byte")

    setattr(Writer, "_call", observed_call)  # noqa: B010 -- mypy forbids to assign a method
    setattr(OutgoingBody, "_pieces", observed_pieces)  # noqa: B010


def _names(group: Sequence[Job]) -> list[str]:
    found = {(entry.type, entry.state) for job in group for entry in job.batch.entries}
    return [name for name, event in COMMITS.items() if event in found]


def main() -> None:
    """Run the command line with these changes."""
    shorten()
    if os.environ["RELAY_NODE"] == os.environ.get("FAILPOINT_NODE"):
        install(Failpoint(os.environ["FAILPOINT"], signal.Signals[os.environ["FAILPOINT_SIGNAL"]]))
    cli.main()


if __name__ == "__main__":
    main()
