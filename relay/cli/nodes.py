"""`relay nodes`: list the processes that share the store."""

from collections.abc import Sequence
from typing import Final

from relay.cli.output import say
from relay.config import Config
from relay.journal.nodes import Node
from relay.parts import make_journal

_HEAD: Final = ("NAME", "ID", "STATE", "SEEN", "TASKS", "VIEWERS", "LAG")

_ID_CHARS: Final = 8

_LATE_S: Final = 10.0
"""A node that has not renewed its lease for this time is declared dead by another one, if there is any."""


async def list_nodes(settings: Config) -> None:
    """
    Print a table of the nodes.

    Raises:
        RelayError: the store cannot be read.
    """
    if settings.postgres_dsn is None:
        say(f"{settings.store_name} is used by one relay at a time, so it has no nodes. Only PostgreSQL is shared.")
        return
    journal = make_journal(settings)
    try:
        await journal.open(lock=False)
        nodes = await journal.nodes()
    finally:
        await journal.close()
    if not nodes:
        say("No relay has used this store yet.")
        return
    rows = [_HEAD, *(_row(node) for node in nodes)]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        say(_line(row, widths))


def _row(node: Node) -> tuple[str, ...]:
    state = "dead" if not node.alive else "late" if node.seen_s > _LATE_S else "alive"
    lag = f"{node.lag_s:.1f} s"
    return node.name, node.id[:_ID_CHARS], state, _ago(node.seen_s), str(node.tasks), str(node.viewers), lag


def _ago(seconds: float) -> str:
    """Return how long ago something was, in the largest unit of which it is at least two."""
    for unit, unit_s in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * unit_s:
            return f"{seconds / unit_s:.0f} {unit} ago"
    return f"{seconds:.1f} s ago"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
