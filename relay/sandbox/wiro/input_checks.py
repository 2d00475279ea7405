"""
What a model refuses of its inputs, in the upstream's words.

A file input is given as files, as addresses, or as both: in the field of its name, and but for a `combinefileinput`
also in its twin `{name}Url`, where several addresses are parted by commas. An empty text is no entry.
"""

import re
from collections.abc import Mapping

from relay.sandbox.wiro import bodies
from relay.sandbox.wiro.file_store import File
from relay.sandbox.wiro.models import Input, Model


def refusal(model: Model, values: Mapping[str, object]) -> str | None:
    """Return what is wrong with the first input that does not fit, or null."""
    for each in model.inputs:
        if each.most_files:
            wrong = _wrong_files(each, len(_entries(each, values)))
            if wrong:
                return f"Request files [{each.id}] {wrong}"
        elif wrong := _wrong(each, bodies.text(values, each.id)):
            return f"Request parameter [{each.id}] {wrong}"
    return None


def _entries(field: Input, values: Mapping[str, object]) -> list[object]:
    given = [*_listed(values.get(field.id))]
    if field.type != "combinefileinput":
        given += _listed(values.get(f"{field.id}Url"))
    found: list[object] = []
    for each in given:
        match each:
            case File():
                found.append(each)
            case str() if field.type == "multifileinput":
                found += filter(None, map(str.strip, each.split(",")))
            case str() if each.strip():
                found.append(each)
    return found


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _wrong_files(field: Input, count: int) -> str:
    if count == 0:
        return "required" if field.required else ""
    # No document says how too many are refused; the words are those for a number out of its range.
    return f"must be between {int(field.required)} and {field.most_files}" if count > field.most_files else ""


def _wrong(field: Input, value: str) -> str:
    if not value:
        return "required" if field.required else ""
    if field.type != "number":
        return ""
    if not re.fullmatch(r"-?\d+(\.\d+)?", value):
        return "must be integer or float"
    if field.least is not None and field.most is not None and not field.least <= float(value) <= field.most:
        return f"must be between {field.least} and {field.most}"
    return ""
