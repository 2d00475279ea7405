"""
A model's inputs as a JSON Schema (2020-12): each in the plain JSON type that fits it.

The check takes more, namely the same values in an equivalent form; but nothing that fits the schema is refused.
"""

from collections.abc import Mapping
from typing import Any, assert_never

from relay.catalogue.check import ADDRESS, read_number
from relay.catalogue.model import Input, Model

Json = dict[str, Any]


_MAYBE_ADDRESS = r"^(https?://\S+)?$"
_MAYBE_ONE_ADDRESS = r"^(https?://[^\s,]+)?$"


def schema(model: Model) -> Json:
    """Return the schema of what a task's `input` may be."""
    properties: Json = {}
    rules: list[Json] = []
    for each in model.inputs:
        twin = model.twin_of(each)
        properties[each.key] = _property(each)
        if twin is not None:
            properties[twin] = {"title": each.label, **_twin(each)}
            rules += _rules(each, twin)
    required = [each.key for each in model.inputs if each.required and each.default is None]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": model.title,
        "type": "object",
        "properties": properties,
        "required": [each.key for each in model.inputs if each.key in required and model.twin_of(each) is None],
        "additionalProperties": not model.closed,
    } | ({"allOf": rules} if rules else {})


def _twin(each: Input) -> Json:
    """Return the schema of the second name of an input that takes files."""
    match each.type:
        case "fileinput":
            return {"type": "string", "pattern": _MAYBE_ADDRESS}
        case "multifileinput":
            return {"type": ["string", "array"], "items": {"type": "string", "pattern": ADDRESS}}
        case "combinefileinput":
            return {"type": "string", "pattern": _MAYBE_ONE_ADDRESS}
        case _:
            return {}


def _rules(each: Input, twin: str) -> list[Json]:
    """Return the rules for both names of an input together: one is required, or at most one may be used."""
    filled = {name: {"required": [name], "properties": {name: _filled(each)}} for name in (each.key, twin)}
    rules: list[Json] = []
    if each.required and each.default is None:
        rules.append({"anyOf": list(filled.values())})
    if each.type == "fileinput":
        rules.append({"not": {"allOf": list(filled.values())}})
    if each.type == "combinefileinput" and each.max_items is not None:
        fewer = {"properties": {each.key: {"maxItems": each.max_items - 1}}}
        rules.append({"if": filled[twin], "then": fewer})
    return rules


def _filled(each: Input) -> Json:
    """Return the schema of a value that is not empty; an empty one counts as not given."""
    if each.type == "other":
        return {}
    return {"pattern": r"\S", "minItems": 1}  # for strings; for arrays


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
            return {"type": "string", "pattern": _MAYBE_ADDRESS}
        case "multifileinput":
            return {"type": "string"}
        case "combinefileinput":
            items = {"type": "string", "pattern": ADDRESS}
            return {"type": "array", "items": items} | _known({"maxItems": each.max_items})
        case "other":
            return {}
        case _:
            assert_never(each.type)


def _known(limits: Mapping[str, object]) -> Json:
    return {name: limit for name, limit in limits.items() if limit is not None}


def _whole(limit: float | None) -> float | int | None:
    whole = limit is not None and limit.is_integer() and abs(limit) < 2**53  # beyond, no integer can be written
    return int(limit) if limit is not None and whole else limit
