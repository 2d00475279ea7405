"""The requests that the simulated Wiro received, for tests and the control API."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """
    One field of a request body.

    `type` is the JSON type, or `file` for a multipart part with a file name. `value` is the parsed JSON value, the text
    of a part without a file name, or a `File`.
    """

    name: str
    type: Literal["string", "number", "boolean", "null", "array", "object", "file"]
    value: object


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """
    A Run request with its fields in order.

    `task_id` is None if the Run started no task. `refused` is the error code that its client received, if any.
    """

    model: str
    content_type: str
    fields: tuple[Field, ...]
    task_id: str | None
    refused: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRequest:
    """
    A request to the file API with its fields in order.

    `created` is the id of the new file or folder, None if there is none.
    """

    call: Literal["Upload", "FolderCreate"]
    content_type: str
    fields: tuple[Field, ...]
    created: str | None
