"""
A model's inputs as a JSON Schema (2020-12): each in the plain JSON type that fits it.

The check takes more, namely the same values in an equivalent form; but nothing that fits the schema is refused.
"""

from collections.abc import Mapping
from typing import Any, assert_never

from relay.providers.catalogue.check import ADDRESS, read_number
from relay.providers.catalogue.model import Input, Model

Json = dict[str, Any]


def schema(model: Model) -> Json:
    """Return the schema of what a task's `input` may be."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": model.title,
        "type": "object",
        "properties": {each.key: _property(each) for each in model.inputs},
        "required": [each.key for each in model.inputs if each.required and each.default is None],
        "additionalProperties": not model.closed,
    }


def _property(each: Input) -> Json:
    drawn: Json = {"title": each.label}
    if each.help:
        drawn["description"] = each.help
    drawn |= _kind(each)
    if each.default is not None:
        drawn["default"] = read_number(each.default) if each.type == "number" else each.default
    elif each.sends_null:
        drawn["default"] = None
    return drawn


def _kind(each: Input) -> Json:
    match each.type:
        case "text" | "textarea":
            pattern = each.pattern or (r"\S" if each.required else None)
            return {"type": "string"} | _known({"maxLength": each.max_length, "pattern": pattern})
        case "select":
            return {"enum": [option.value for option in each.options]}
        case "number":
            kind = "integer" if each.integer else "number"
            limits = {"minimum": _whole(each.minimum), "maximum": _whole(each.maximum)}
            return {"type": [kind, "null"] if each.sends_null else kind} | _known(limits)
        case "fileinput":
            return {"type": "string", "pattern": ADDRESS}
        case "multifileinput":
            return {"type": "string"} | ({"pattern": r"\S"} if each.required else {})
        case "combinefileinput":
            items = {"type": "string", "pattern": ADDRESS}
            least = 1 if each.required else None
            return {"type": "array", "items": items} | _known({"minItems": least, "maxItems": each.max_items})
        case "other":
            return {}
        case _:
            assert_never(each.type)


def _known(limits: Mapping[str, object]) -> Json:
    return {name: limit for name, limit in limits.items() if limit is not None}


def _whole(limit: float | None) -> float | int | None:
    whole = limit is not None and limit.is_integer() and abs(limit) < 2**53  # beyond, no integer can be written
    return int(limit) if limit is not None and whole else limit
