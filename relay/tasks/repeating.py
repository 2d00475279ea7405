"""Builds the request that runs a task again, with edits. Pure."""

from relay.errors import Code, FieldError, RequestError
from relay.journal.base import StoredTask
from relay.tasks.requests import Again, Start


def repeat(stored: StoredTask, again: Again) -> Start:
    """
    Return the request that runs a task again.

    Args:
        stored: the earlier task.
        again: the edits.

    Raises:
        RequestError: the input of the earlier task is not known, or its uploaded files would be needed again.
    """
    if stored.hook is None:
        detail = "The task was attached to, so the relay does not have its input. Start a new task."
        raise RequestError(Code.CONFLICT, detail)
    # A file is replaced by URLs under the name of its input, or under that name with `Url`.
    needed = dict.fromkeys(
        file.input for file in stored.files if not {file.input, f"{file.input}Url"} & again.input.keys()
    )
    if needed:
        message = "was an uploaded file, which the relay does not keep; give its URL, or null to leave it out"
        fields = tuple(FieldError(field=f"input.{name}", message=message) for name in needed)
        raise RequestError(Code.INVALID_INPUT, f"{', '.join(needed)}: {message}", fields=fields)
    left_out = {name for name, value in again.input.items() if value is None}
    merged = {**stored.input, **again.input}
    return Start(
        model=stored.model,
        input={name: value for name, value in merged.items() if name not in left_out},
        provider=stored.provider,
        tags=stored.tags if again.tags is None else again.tags,
        metadata=stored.metadata if again.metadata is None else again.metadata,
        webhook=stored.webhook,
    )
