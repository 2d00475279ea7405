"""Limit a repeated warning to one log line per task."""

from collections import OrderedDict
from typing import Final

KEPT: Final = 4096
"""The number of notices that are remembered. Older ones may be logged again."""


class Notices:
    """The notices that were already logged. Their number is bounded; a restart forgets them."""

    def __init__(self) -> None:
        self._logged: OrderedDict[tuple[str, ...], None] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Notices {len(self._logged)}>"

    def is_new(self, *notice: str) -> bool:
        """Return whether a notice is new, and remember it."""
        known = notice in self._logged
        self._logged[notice] = None
        self._logged.move_to_end(notice)
        if len(self._logged) > KEPT:
            self._logged.popitem(last=False)
        return not known
