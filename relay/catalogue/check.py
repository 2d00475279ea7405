"""
Check an input against a model, and convert it to the form that is sent. Pure.

A value may be given in an equivalent form (1 for "1", false for "false"); it is sent in the form that the platform
documents. No message quotes a value, because prompts are private.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Final

from relay.catalogue.model import Input, Model
from relay.errors import FieldError

URL: Final = r"^https?://\S+$"
"""The pattern of a file's URL, valid in Python and in JSON Schema."""

MAX_UNKNOWN: Final = 20
"""The maximum number of unknown names that are reported."""

_ONE: Final = "takes one file, or one URL"

_NOTHING: Final = object()
"""Stands for an input without a value, which is not sent."""

_NUMBER: Final = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")
_NAME_CHARS: Final = 100


class _Invalid(Exception):
    """A value is invalid. The message is a predicate whose subject is the name of the input."""

    def __init__(self, message: str, item: int | None = None, name: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.item = item
        self.name = name
        """The name under which the value was given; null for the key of the input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A file that is given for an input. Its content type is detected from its first bytes, null if unknown."""

    input: str
    content_type: str | None


def check(
    model: Model, given: Mapping[str, object], offers: Sequence[Offer] = (), *, more: bool = False
) -> tuple[dict[str, object], tuple[FieldError, ...]]:
    """
    Check an input and its files.

    Args:
        model: the model to run.
        given: the input.
        offers: the files, in the order of their arrival.
        more: whether more files may follow, so that a missing file is not an error yet.

    Returns:
        The input to send (without the files, with defaults, in the order of the model), and the errors. If there are
        errors, the input to send must not be used.
    """
    sent: dict[str, object] = {}
    faults: list[FieldError] = []
    names: set[str] = set()
    for each in model.inputs:
        spellings = [name for name in (each.key, model.alias_of(each)) if name is not None]
        names.update(spellings)
        values = {name: given[name] for name in spellings if name in given}
        files = [offer for offer in offers if offer.input == each.name]
        try:
            _check_files(each, files, values)
        except _Invalid as invalid:
            faults.append(FieldError(field=f"input.{each.name}", message=invalid.message))
            continue
        try:
            sent |= _sent(each, values, len(files), waits=more and each.takes_files)
        except _Invalid as invalid:
            field = f"input.{invalid.name or each.key}"
            faults.append(
                FieldError(field=field if invalid.item is None else f"{field}.{invalid.item}", message=invalid.message)
            )
    unknown = [name for name in given if name not in names]
    if model.closed:
        parts = {each.name for each in model.inputs}
        unknown_names = dict.fromkeys([*unknown, *(offer.input for offer in offers if offer.input not in parts)])
        reported = list(unknown_names)[:MAX_UNKNOWN]
        faults += [FieldError(field=f"input.{_cut(name)}", message=_unknown(model, name)) for name in reported]
    else:
        sent |= {name: given[name] for name in unknown}
    return sent, tuple(faults)


def _unknown(model: Model, name: str) -> str:
    return f"is not an input of {model.model}; its inputs are {', '.join(each.key for each in model.inputs) or 'none'}"


def _check_files(each: Input, files: Sequence[Offer], values: Mapping[str, object]) -> None:
    """Check the files of an input; `values` are the URLs given in addition to them."""
    if not files:
        return
    if not each.takes_files:
        raise _Invalid("does not take files")
    for file in files:
        if each.accept and file.content_type not in each.accept:
            raise _Invalid(
                f"takes files of {', '.join(each.accept)}; this one is {file.content_type or 'of an unknown type'}"
            )
    if each.type == "fileinput" and (len(files) > 1 or any(values.values())):
        raise _Invalid(_ONE)
    _check_count(each, len(files))


def _sent(each: Input, values: Mapping[str, object], files: int, *, waits: bool) -> dict[str, object]:
    """
    Return the fields to send for an input: one, or none.

    Args:
        each: the input.
        values: the values given under its names.
        files: the number of files given for it.
        waits: whether more files may follow.
    """
    if each.type == "other":
        if not values and not files and not waits:
            return _field(each, _default(each))
        return dict(values)
    given = {name: value for name, value in values.items() if not _is_absent(each, value)}
    if not given:
        return {} if files or waits else _field(each, _default(each))
    if each.takes_files:
        return {each.key: _urls(each, given, files)}
    return {each.key: _value(each, given[each.key])}


def _is_absent(each: Input, value: object) -> bool:
    """Return whether a value counts as missing: clients send an empty string for an unset number or file."""
    if each.type == "number":
        return isinstance(value, str) and not value.strip()
    return each.takes_files and value in ("", [])


def _field(each: Input, value: object) -> dict[str, object]:
    return {} if value is _NOTHING else {each.key: value}


def _default(each: Input) -> object:
    if each.default is not None:
        return each.default
    if each.required:
        raise _Invalid("is required")
    return None if each.sends_null else _NOTHING


def _value(each: Input, value: object) -> object:
    match each.type:
        case "text" | "textarea":
            return _text(each, value)
        case "select":
            return _choice(each, value)
        case "number":
            return _number(each, value)
        case _:
            return value


def _text(each: Input, value: object) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = as_text(value)
    if not isinstance(value, str):
        raise _Invalid("must be a string")
    if each.required and not re.search(r"\S", value):
        raise _Invalid("is required: it must not be blank")
    if each.max_length is not None and len(value) > each.max_length:
        raise _Invalid(f"takes at most {each.max_length} characters; this one has {len(value)}")
    if each.pattern is not None and not re.fullmatch(each.pattern, value):
        raise _Invalid(f"must be {each.takes}")
    return value


def _choice(each: Input, value: object) -> str:
    values = [option.value for option in each.options]
    text = as_text(value)
    if text not in values:
        raise _Invalid(f"must be one of {', '.join(values)}")
    return text


def _number(each: Input, value: object) -> int | float | str | None:
    if value is None and each.sends_null:
        return None
    number = read_number(value)
    if number is None:
        raise _Invalid(f"must be {'an integer' if each.integer else 'a number'}")
    if each.integer and number != int(number):
        raise _Invalid("must be an integer")
    low, high = each.minimum, each.maximum
    if (low is not None and number < low) or (high is not None and number > high):
        raise _Invalid(f"must be {_range(low, high)}")
    if each.sends == "number":
        return number
    return value.strip() if isinstance(value, str) else as_text(number)


def _range(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return f"at least {low:.15g}" if low is not None else f"at most {high:.15g}"
    return f"between {low:.15g} and {high:.15g}"


def _urls(each: Input, given: Mapping[str, object], files: int) -> object:
    """Return the URLs of an input's files, given under either name, in the form that the input takes."""
    match each.type:
        case "fileinput":
            first, *others = [_url(each, name, value) for name, value in given.items()]
            if any(other != first for other in others):
                raise _Invalid(_ONE)
            return first
        case "multifileinput":
            return _comma_separated(each, given, files)
        case _:
            found = [url for name, value in given.items() for url in _listed(each, name, value)]
            _check_count(each, files + len(found))
            return found


def _comma_separated(each: Input, given: Mapping[str, object], files: int) -> str:
    texts = []
    for name, value in given.items():
        if isinstance(value, list) and name == each.name:
            value = ",".join(_listed(each, name, value))
        if not isinstance(value, str):
            raise _Invalid("must be comma-separated URLs", name=name)
        texts.append(value)
    count = sum(1 for text in texts for entry in text.split(",") if entry.strip())
    if each.required and not files and not count:
        raise _Invalid("must be comma-separated URLs", name=next(iter(given)))
    _check_count(each, files + count)
    return texts[0] if len(texts) == 1 else ",".join(text for text in texts if text.strip())


def _listed(each: Input, name: str, value: object) -> list[str]:
    """Return the URLs in a list or a string; under the alternative name, a string may be comma-separated."""
    if isinstance(value, str) and name == each.alias:
        pieces = [piece.strip() for piece in value.split(",")]
        if len(pieces) > 1 and all(re.fullmatch(URL, piece) for piece in pieces):
            return pieces
    entries = value if isinstance(value, list) else [value]
    return [_url(each, name, entry, item) for item, entry in enumerate(entries)]


def _check_count(each: Input, count: int) -> None:
    if each.max_items is not None and count > each.max_items:
        raise _Invalid(f"takes at most {each.max_items} entries; {count} were given")


def _url(each: Input, name: str, value: object, item: int | None = None) -> str:
    if isinstance(value, str) and re.fullmatch(URL, value):
        return value
    if name == each.name and each.type == "fileinput":
        raise _Invalid(f"takes a file: upload it under this name, or give its URL as {each.key}", name=name)
    raise _Invalid("must be a URL that begins with https:// or http://", item, name)


def read_number(value: object) -> int | float | None:
    """Return a finite number, parsed if it is a string, as an integer if it is whole; null for any other value."""
    match value:
        case str() if _NUMBER.fullmatch(value.strip()):
            number = float(value) if "." in value else int(value)
        case bool():
            return None
        case int() | float() if isfinite(value):
            number = value
        case _:
            return None
    return int(number) if isinstance(number, float) and number.is_integer() else number


def as_text(value: object) -> str | None:
    """Return a scalar as the platforms write it: `false`, `5`, `2.5`; null for any other value."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():
            return str(int(value))
        case int() | float():
            return str(value)
        case _:
            return None


def _cut(name: str) -> str:
    return name if len(name) <= _NAME_CHARS else f"{name[:_NAME_CHARS]}…"
