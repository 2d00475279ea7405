"""Wiro's words for where a task is, spelt one way: they come in other cases, with spaces and with hyphens."""

import re
from typing import Final

from relay.core.events import Stage
from relay.providers.values import text

STATUSES: Final = frozenset({*(f"task_{stage}" for stage in Stage), "task_cancel", "task_error", "task_output"})
"""The statuses that a task's record is known to have."""

_ALIASES: Final = {"task_canceled": "task_cancel", "task_cancelled": "task_cancel", "task_killed": "task_cancel"}


def word(value: object) -> str:
    """Return a status or the type of a frame as Wiro's documents spell it: `Task Postprocess-End ` and all."""
    found = re.sub(r"[\s-]+", "_", text(value).strip().lower())
    return _ALIASES.get(found, found)
