"""Normalise Wiro's statuses and frame types, which vary in case and separators. Pure."""

import re
from typing import Final

from relay.core.events import Stage
from relay.providers.lenient_json import text

STATUSES: Final = frozenset({*(f"task_{stage}" for stage in Stage), "task_cancel", "task_error", "task_output"})
"""The known statuses of a task's record."""

_ALIASES: Final = {"task_canceled": "task_cancel", "task_cancelled": "task_cancel", "task_killed": "task_cancel"}


def normalize(value: object) -> str:
    """Return a status or frame type as Wiro documents it: `task_postprocess_end` for `Task Postprocess-End `."""
    found = re.sub(r"[\s-]+", "_", text(value).strip().lower())
    return _ALIASES.get(found, found)
