"""
Describe the inputs of a model as a JSON Schema (https://json-schema.org/draft/2020-12). Pure.

The check is more lenient: it also accepts equivalent forms, such as `"1"` for `1`. It accepts every input that is valid
by the schema.
"""

from collections.abc import Mapping
from typing import Any, assert_never

from relay.catalogue.check import URL, read_number
from relay.catalogue.model import Input, Model

Json = dict[str, Any]


_MAYBE_URL = r"^(https?://\S+)?$"
_MAYBE_ONE_URL = r"^(https?://[^\s,]+)?$"


def schema(model: Model) -> Json:
    """Return the schema of a task's `input`."""
    properties: Json = {}
    rules: list[Json] = []
    for each in model.inputs:
        alias = model.alias_of(each)
        properties[each.key] = _property(each)
        if alias is not None:
            properties[alias] = {"title": each.label, **_alias(each)}
            rules += _rules(each, alias)
    required = [each.key for each in model.inputs if each.required and each.default is None]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": model.title,
        "type": "object",
        "properties": properties,
        "required": [each.key for each in model.inputs if each.key in required and model.alias_of(each) is None],
        "additionalProperties": not model.closed,
    } | ({"allOf": rules} if rules else {})


def _alias(each: Input) -> Json:
    """Return the schema of the alternative name of an input for files."""
    match each.type:
        case "fileinput":
            return {"type": "string", "pattern": _MAYBE_URL}
        case "multifileinput":
            return {"type": ["string", "array"], "items": {"type": "string", "pattern": URL}}
        case "combinefileinput":
            return {"type": "string", "pattern": _MAYBE_ONE_URL}
        case _:
            return {}


def _rules(each: Input, alias: str) -> list[Json]:
    """Return the rules for both names of an input together: one is required, or at most one may be used."""
    filled = {name: {"required": [name], "properties": {name: _filled(each)}} for name in (each.key, alias)}
    rules: list[Json] = []
    if each.required and each.default is None:
        rules.append({"anyOf": list(filled.values())})
    if each.type == "fileinput":
        rules.append({"not": {"allOf": list(filled.values())}})
    if each.type == "combinefileinput" and each.max_items is not None:
        fewer = {"properties": {each.key: {"maxItems": each.max_items - 1}}}
        rules.append({"if": filled[alias], "then": fewer})
    return rules


def _filled(each: Input) -> Json:
    """Return the schema of a value that is not empty; an empty value counts as missing."""
    if each.type == "other":
        return {}
    return {"pattern": r"\S", "minItems": 1}  # for strings and for arrays


def _property(each: Input) -> Json:
    described: Json = {"title": each.label}
    if each.help:
        described["description"] = each.help
    described |= _kind(each)
    if each.default is not None:
        described["default"] = read_number(each.default) if each.type == "number" else each.default
    elif each.sends_null:
        described["default"] = None
    return described


def _kind(each: Input) -> Json:
    match each.type:
        case "text" | "textarea":
            pattern = each.pattern or (r"\S" if each.required else None)
            return {"type": "string"} | _without_nulls({"maxLength": each.max_length, "pattern": pattern})
        case "select":
            return {"enum": [option.value for option in each.options]}
        case "number":
            kind = "integer" if each.integer else "number"
            limits = {"minimum": _as_integer(each.minimum), "maximum": _as_integer(each.maximum)}
            return {"type": [kind, "null"] if each.sends_null else kind} | _without_nulls(limits)
        case "fileinput":
            return {"type": "string", "pattern": _MAYBE_URL}
        case "multifileinput":
            return {"type": "string"}
        case "combinefileinput":
            items = {"type": "string", "pattern": URL}
            return {"type": "array", "items": items} | _without_nulls({"maxItems": each.max_items})
        case "other":
            return {}
        case _:
            assert_never(each.type)


def _without_nulls(limits: Mapping[str, object]) -> Json:
    return {name: limit for name, limit in limits.items() if limit is not None}


def _as_integer(limit: float | None) -> float | int | None:
    is_integer = (
        limit is not None and limit.is_integer() and abs(limit) < 2**53
    )  # above, floats do not represent every integer
    return int(limit) if limit is not None and is_integer else limit
