"""
Parse Wiro's description of a model, as Tool/Detail returns it.

Its format is undocumented, so types, flags and numbers are accepted in every observed form. A parameter that cannot be
interpreted becomes an input that accepts any value.
"""

from typing import Final

from relay.catalogue.model import Input, InputType, Model, Option
from relay.errors import UpstreamRejected, UpstreamUnclear
from relay.providers.lenient_json import entries, flag, mapping, number, text
from relay.providers.response import Response
from relay.providers.wiro.refusals import is_unknown_model
from relay.providers.wiro.responses import parse_tools

_TYPES: Final[dict[str, InputType]] = {
    "text": "text",
    "textarea": "textarea",
    "select": "select",
    "selectwithcover": "select",
    "range": "number",
    "number": "number",
    "numeric": "number",
    "integer": "number",
    "int": "number",
    "float": "number",
    "double": "number",
    "decimal": "number",
    "fileinput": "fileinput",
    "multifileinput": "multifileinput",
    "combinefileinput": "combinefileinput",
}

_INTEGERS: Final = frozenset({"integer", "int"})


def parse_tool(response: Response, name: str) -> Model | None:
    """
    Return the description of a model, or null if Wiro does not have the model.

    Args:
        response: the response to Tool/Detail.
        name: the name of the model, as requested.

    Raises:
        UpstreamRejected: Wiro refused the call.
        UpstreamUnclear: the response is malformed.
    """
    try:
        tools = parse_tools(response)
    except UpstreamRejected as refusal:
        if is_unknown_model(refusal):
            return None
        raise
    if not tools:
        return None
    tool = tools[0]
    if "parameters" not in tool:
        raise UpstreamUnclear("Wiro's description of this model has no parameters.")
    groups = [mapping(group) for group in entries(tool["parameters"])]
    items = [mapping(item) for group in groups for item in (entries(group["items"]) if "items" in group else [group])]
    inputs = {each.name: each for item in items if (each := _input(item)) is not None}
    return Model(
        provider="wiro",
        model=name,
        run_as=name,
        title=text(tool.get("title")) or name,
        description=text(tool.get("description")),
        inputs=tuple(inputs.values()),
        inspires=tuple(sample for entry in entries(tool.get("inspire")) if (sample := _sample(entry))),
        # `parameters` may be null although the model has inputs, and an unreadable item may be an input of any name.
        closed=bool(inputs) and len(inputs) == len(items),
    )


def _input(item: dict[str, object]) -> Input | None:
    name = text(item.get("id")) or text(item.get("name"))
    if not name:
        return None
    type_name = text(item.get("type")).strip().lower()
    kind = _TYPES.get(type_name, "other")
    options = tuple(option for entry in entries(item.get("options")) if (option := _option(entry)) is not None)
    if kind == "select" and not options:
        kind = "other"
    default = text(item.get("default"))
    known = (kind == "number" and number(default) is not None) or any(default == option.value for option in options)
    return Input(
        name=name,
        label=text(item.get("label")) or name,
        help=text(item.get("note")) or text(item.get("help")) or text(item.get("placeholder")),
        type=kind,
        required=flag(item.get("required")) is True and not default,
        default=default if default and (known or kind in ("text", "textarea")) else None,
        options=options,
        integer=type_name in _INTEGERS,
        minimum=number(item.get("min")) if kind == "number" else None,
        maximum=number(item.get("max")) if kind == "number" else None,
    )


def _option(entry: object) -> Option | None:
    if not isinstance(entry, dict):
        return Option(value=_as_text(entry), label=_as_text(entry)) if _as_text(entry) else None
    label = next(filter(None, (text(entry.get(name)) for name in ("label", "name", "title", "text"))), "")
    # The options of a `multiselect` have no value: their label is sent.
    value = _as_text(entry["value"]) if entry.get("value") is not None else label
    return Option(value=value, label=label or value) if value or label else None


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else text(value)


def _sample(entry: object) -> dict[str, str | int | float]:
    return {name: value for name, value in mapping(entry).items() if isinstance(value, str | int | float)}
