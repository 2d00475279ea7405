"""What is worth one line of log for each task and not one for each answer."""

from collections import OrderedDict
from typing import Final

KEPT: Final = 4096
"""So many are remembered, the latest: one that is older may be told again."""


class Notices:
    """What has been told. It is bounded, and forgotten when the process ends."""

    def __init__(self) -> None:
        self._told: OrderedDict[tuple[str, ...], None] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Notices {len(self._told)}>"

    def is_new(self, *notice: str) -> bool:
        """Tell whether this is said for the first time, and remember that it was."""
        known = notice in self._told
        self._told[notice] = None
        self._told.move_to_end(notice)
        if len(self._told) > KEPT:
            self._told.popitem(last=False)
        return not known
