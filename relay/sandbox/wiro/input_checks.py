"""
Validate the inputs of a Run and report errors in Wiro's words.

A file input accepts files, URLs, or both: in the field with its name and, except for `combinefileinput`, also in the
field `{name}Url`. A `multifileinput` accepts several URLs separated by commas. Empty text does not count as a value.
"""

import re
from collections.abc import Mapping

from relay.sandbox.wiro import bodies
from relay.sandbox.wiro.file_store import File
from relay.sandbox.wiro.models import Input, Model


def input_error(model: Model, values: Mapping[str, object]) -> str | None:
    """Return the error message for the first invalid input, or None."""
    for field in model.inputs:
        if field.max_files:
            if problem := _file_problem(field, len(_files(field, values))):
                return f"Request files [{field.id}] {problem}"
        elif problem := _value_problem(field, bodies.text(values, field.id)):
            return f"Request parameter [{field.id}] {problem}"
    return None


def _files(field: Input, values: Mapping[str, object]) -> list[object]:
    """Return the files and URLs given for a file input."""
    given = [*_as_list(values.get(field.id))]
    if field.type != "combinefileinput":
        given += _as_list(values.get(f"{field.id}Url"))
    files: list[object] = []
    for value in given:
        match value:
            case File():
                files.append(value)
            case str() if field.type == "multifileinput":
                files += filter(None, map(str.strip, value.split(",")))
            case str() if value.strip():
                files.append(value)
    return files


def _as_list(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _file_problem(field: Input, count: int) -> str:
    if count == 0:
        return "required" if field.required else ""
    # Wiro documents no error for too many files; this is its error for a number that is out of range.
    return f"must be between {int(field.required)} and {field.max_files}" if count > field.max_files else ""


def _value_problem(field: Input, value: str) -> str:
    if not value:
        return "required" if field.required else ""
    if field.type != "number":
        return ""
    if not re.fullmatch(r"-?\d+(\.\d+)?", value):
        return "must be integer or float"
    if field.minimum is not None and field.maximum is not None and not field.minimum <= float(value) <= field.maximum:
        return f"must be between {field.minimum} and {field.maximum}"
    return ""
