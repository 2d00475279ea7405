"""Limit a repeated warning to one log line per task."""

from collections import OrderedDict
from typing import Final

KEPT: Final = 4096
"""How many notices are remembered. Older ones may be logged again."""


class Notices:
    """The notices that were logged. Bounded, and kept in memory only."""

    def __init__(self) -> None:
        self._told: OrderedDict[tuple[str, ...], None] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Notices {len(self._told)}>"

    def is_new(self, *notice: str) -> bool:
        """Return whether a notice is new, and remember it."""
        known = notice in self._told
        self._told[notice] = None
        self._told.move_to_end(notice)
        if len(self._told) > KEPT:
            self._told.popitem(last=False)
        return not known
