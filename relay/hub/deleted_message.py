"""The message about a task that was deleted."""

import orjson


def deleted_message(task: str, now: float) -> bytes:
    """Return the message; `now` is the relay's time in unix seconds."""
    return orjson.dumps({"type": "deleted", "task": task, "at": now})
