"""Builds the request that runs a task again, with edits. Pure."""

from collections.abc import Collection

from relay.core.upstream import File
from relay.errors import Code, FieldError, RequestError
from relay.journal.base import StoredTask
from relay.journal.file_copies import input_part
from relay.tasks.requests import Again, Start


def reused_files(stored: StoredTask, again: Again) -> dict[str, File]:
    """Return the uploaded files of a task that are needed to run it again, by their parts in the archive."""
    # A file is replaced by URLs under the name of its input, or under that name with `Url`.
    return {
        input_part(number): file
        for number, file in enumerate(stored.files)
        if not {file.input, f"{file.input}Url"} & again.input.keys()
    }


def repeat(stored: StoredTask, again: Again, kept: Collection[str] = ()) -> Start:
    """
    Return the request that runs a task again, without the files that are used again.

    Args:
        stored: the earlier task.
        again: the edits.
        kept: the files that the archive has, by their parts.

    Raises:
        RequestError: the input of the earlier task is not known, or its uploaded files would be needed again.
    """
    if stored.hook is None:
        detail = "The task was attached to, so the relay does not have its input. Start a new task."
        raise RequestError(Code.CONFLICT, detail)
    needed = dict.fromkeys(file.input for part, file in reused_files(stored, again).items() if part not in kept)
    if needed:
        message = "was an uploaded file, which the relay does not have any more; give its URL, or null to leave it out"
        fields = tuple(FieldError(field=f"input.{name}", message=message) for name in needed)
        raise RequestError(Code.INVALID_INPUT, f"{', '.join(needed)}: {message}", fields=fields)
    left_out = {name for name, value in again.input.items() if value is None}
    merged = {**stored.input, **again.input}
    return Start(
        model=stored.model,
        input={name: value for name, value in merged.items() if name not in left_out},
        provider=stored.provider,
        tags=stored.tags if again.tags is None else again.tags,
        title=stored.title if again.title is None else again.title or None,
        metadata=stored.metadata if again.metadata is None else again.metadata,
        webhook=stored.webhook,
    )
