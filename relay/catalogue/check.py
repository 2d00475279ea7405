"""
Whether an input fits a model, and what is sent for it. Pure.

A value may come in an equivalent form (1 for "1", false for "false"); what is sent is the form that the platform's own
documents print. No message quotes a value: prompts are private.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Final

from relay.catalogue.model import Input, Model
from relay.errors import FieldError

ADDRESS: Final = r"^https?://\S+$"
"""What an address of a file looks like, in Python and in JSON Schema."""

FAULTS: Final = 20
"""So many unknown names are told; whoever sends more has another problem."""

_ONE: Final = "takes one file, or one address"

_NOTHING: Final = object()
"""Sent for an input that has no value: it is left out."""

_NUMBER: Final = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")
_NAME_CHARS: Final = 100


class _Wrong(Exception):
    """A value does not fit; the text is what it takes, as the end of a sentence that begins with its name."""

    def __init__(self, message: str, item: int | None = None, name: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.item = item
        self.name = name
        """The name under which the value was given; null for the input's key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A file that is given for an input; its type is what its first bytes say, null when they say nothing."""

    input: str
    content_type: str | None


def check(
    model: Model, given: Mapping[str, object], offers: Sequence[Offer] = (), *, more: bool = False
) -> tuple[dict[str, object], tuple[FieldError, ...]]:
    """
    Check an input, and the files that are given with it.

    Args:
        model: what is to be run.
        given: the input.
        offers: the files, in the order of their coming.
        more: whether other files may come still, so that none is missing yet.

    Returns:
        What is sent besides the files (defaults filled in, in the model's own order), and what is wrong, one entry a
        fault; with faults, what is sent is not to be used.
    """
    sent: dict[str, object] = {}
    faults: list[FieldError] = []
    names: set[str] = set()
    for each in model.inputs:
        spellings = [name for name in (each.key, model.twin_of(each)) if name is not None]
        names.update(spellings)
        said = {name: given[name] for name in spellings if name in given}
        files = [offer for offer in offers if offer.input == each.name]
        try:
            _check_files(each, files, said)
        except _Wrong as wrong:
            faults.append(FieldError(field=f"input.{each.name}", message=wrong.message))
            continue
        try:
            sent |= _sent(each, said, len(files), waits=more and each.takes_files)
        except _Wrong as wrong:
            field = f"input.{wrong.name or each.key}"
            faults.append(
                FieldError(field=field if wrong.item is None else f"{field}.{wrong.item}", message=wrong.message)
            )
    unknown = [name for name in given if name not in names]
    if model.closed:
        parts = {each.name for each in model.inputs}
        strangers = dict.fromkeys([*unknown, *(offer.input for offer in offers if offer.input not in parts)])
        told = list(strangers)[:FAULTS]
        faults += [FieldError(field=f"input.{_cut(name)}", message=_unknown(model, name)) for name in told]
    else:
        sent |= {name: given[name] for name in unknown}
    return sent, tuple(faults)


def _unknown(model: Model, name: str) -> str:
    return f"is no input of {model.model}; it has {', '.join(each.key for each in model.inputs) or 'none'}"


def _check_files(each: Input, files: Sequence[Offer], said: Mapping[str, object]) -> None:
    """Check the files of an input; `said` holds the addresses given beside them."""
    if not files:
        return
    if not each.takes_files:
        raise _Wrong("takes no file")
    for file in files:
        if each.accept and file.content_type not in each.accept:
            raise _Wrong(f"takes files of {', '.join(each.accept)}; this is {file.content_type or 'none of these'}")
    if each.type == "fileinput" and (len(files) > 1 or any(said.values())):
        raise _Wrong(_ONE)
    _check_count(each, len(files))


def _sent(each: Input, said: Mapping[str, object], files: int, *, waits: bool) -> dict[str, object]:
    """
    Return the fields that are sent for an input: one, or none.

    Args:
        each: the input.
        said: the values given under its names.
        files: the number of files given for it.
        waits: whether more files may follow.
    """
    if each.type == "other":
        if not said and not files and not waits:
            return _field(each, _default(each))
        return dict(said)
    given = {name: value for name, value in said.items() if not _is_absent(each, value)}
    if not given:
        return {} if files or waits else _field(each, _default(each))
    if each.takes_files:
        return {each.key: _addresses(each, given, files)}
    return {each.key: _value(each, given[each.key])}


def _is_absent(each: Input, value: object) -> bool:
    """Tell whether a value means that nothing is given: clients send an empty string for an unset number or file."""
    if each.type == "number":
        return isinstance(value, str) and not value.strip()
    return each.takes_files and value in ("", [])


def _field(each: Input, value: object) -> dict[str, object]:
    return {} if value is _NOTHING else {each.key: value}


def _default(each: Input) -> object:
    if each.default is not None:
        return each.default
    if each.required:
        raise _Wrong("is required")
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
        value = spelled(value)
    if not isinstance(value, str):
        raise _Wrong("must be a text")
    if each.required and not re.search(r"\S", value):
        raise _Wrong("is required: it must not be blank")
    if each.max_length is not None and len(value) > each.max_length:
        raise _Wrong(f"takes at most {each.max_length} characters; this has {len(value)}")
    if each.pattern is not None and not re.fullmatch(each.pattern, value):
        raise _Wrong(f"must be {each.takes}")
    return value


def _choice(each: Input, value: object) -> str:
    values = [option.value for option in each.options]
    said = spelled(value)
    if said not in values:
        raise _Wrong(f"must be one of {', '.join(values)}")
    return said


def _number(each: Input, value: object) -> int | float | str | None:
    if value is None and each.sends_null:
        return None
    number = read_number(value)
    if number is None:
        raise _Wrong(f"must be {'an integer' if each.integer else 'a number'}")
    if each.integer and number != int(number):
        raise _Wrong("must be an integer")
    low, high = each.minimum, each.maximum
    if (low is not None and number < low) or (high is not None and number > high):
        raise _Wrong(f"must be {_range(low, high)}")
    if each.sends == "number":
        return number
    return value.strip() if isinstance(value, str) else spelled(number)


def _range(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return f"at least {low:.15g}" if low is not None else f"at most {high:.15g}"
    return f"between {low:.15g} and {high:.15g}"


def _addresses(each: Input, given: Mapping[str, object], files: int) -> object:
    """Return the addresses of an input's files, given under either name, in the form that the input takes."""
    match each.type:
        case "fileinput":
            first, *others = [_address(each, name, value) for name, value in given.items()]
            if any(other != first for other in others):
                raise _Wrong(_ONE)
            return first
        case "multifileinput":
            return _comma_separated(each, given, files)
        case _:
            found = [address for name, value in given.items() for address in _listed(each, name, value)]
            _check_count(each, files + len(found))
            return found


def _comma_separated(each: Input, given: Mapping[str, object], files: int) -> str:
    texts = []
    for name, value in given.items():
        if isinstance(value, list) and name == each.name:
            value = ",".join(_listed(each, name, value))
        if not isinstance(value, str):
            raise _Wrong("must be addresses with commas between them", name=name)
        texts.append(value)
    count = sum(1 for text in texts for entry in text.split(",") if entry.strip())
    if each.required and not files and not count:
        raise _Wrong("must be addresses with commas between them", name=next(iter(given)))
    _check_count(each, files + count)
    return texts[0] if len(texts) == 1 else ",".join(text for text in texts if text.strip())


def _listed(each: Input, name: str, value: object) -> list[str]:
    """Return the addresses in a list or in a string; a string under the other name may hold several, with commas."""
    if isinstance(value, str) and name == each.twin:
        pieces = [piece.strip() for piece in value.split(",")]
        if len(pieces) > 1 and all(re.fullmatch(ADDRESS, piece) for piece in pieces):
            return pieces
    entries = value if isinstance(value, list) else [value]
    return [_address(each, name, entry, item) for item, entry in enumerate(entries)]


def _check_count(each: Input, count: int) -> None:
    if each.max_items is not None and count > each.max_items:
        raise _Wrong(f"takes at most {each.max_items} entries; these are {count}")


def _address(each: Input, name: str, value: object, item: int | None = None) -> str:
    if isinstance(value, str) and re.fullmatch(ADDRESS, value):
        return value
    if name == each.name and each.type == "fileinput":
        raise _Wrong(f"takes a file: upload it as a part of this name, or give its address as {each.key}", name=name)
    raise _Wrong("must be an address that begins with https:// or http://", item, name)


def read_number(value: object) -> int | float | None:
    """Read a finite number, also from a string; a whole one is an integer. Null: it is none."""
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


def spelled(value: object) -> str | None:
    """Write a value as the platforms print it: `false`, `5`, `2.5`; null when it is no single value."""
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
