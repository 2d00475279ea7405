"""
Parse switch values from text. The parser of a switch follows from the type of its field in `Faults`.

A parser raises ValueError with a description of what it accepts.
"""

import re
from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, cast, get_args, get_origin

from relay.sandbox.switches.values import (
    DOCUMENTED_REFUSALS,
    STAGES,
    UNLIMITED,
    BodyStop,
    Close,
    HttpFault,
    HttpKind,
    Refusal,
)

Parser = Callable[[str], object]

_CLOSE_CODES: Final = ("1000", "1001", "1006", "1011")
_HTTP_FAULT: Final = re.compile(r"(\d{3})?:?([a-z_]+)?(?:\*(\d+))?")


def parser_for(type_: Any) -> Parser:
    """Return the parser for the type of a field. `Annotated[type, parser]` names its parser itself."""
    arguments = get_args(type_)
    match get_origin(type_):
        case origin if origin is Annotated:
            return cast("Parser", arguments[1])
        case origin if origin is Literal:
            return _one_of(*arguments)
        case origin if origin is tuple:
            return _many(parser_for(arguments[0]))
        case origin if origin in (Union, UnionType):
            (given,) = (argument for argument in arguments if argument is not NoneType)
            return parser_for(given)
        case _:
            return _PARSERS[type_]


def share(text: str) -> float:
    """Parse a share from 0 to 1."""
    if not re.fullmatch(r"0(\.\d+)?|1(\.0+)?", text):
        raise ValueError("a number from 0 to 1")
    return float(text)


def _flag(text: str) -> bool:
    match text.lower():
        case "" | "1" | "on" | "true" | "yes":
            return True
        case "0" | "off" | "false" | "no":
            return False
        case _:
            raise ValueError("on or off")


def _count(text: str) -> int:
    if not text.isdecimal():
        raise ValueError("a whole number")
    return int(text)


def _seconds(text: str) -> float:
    if not re.fullmatch(r"\d+(\.\d+)?", text):
        raise ValueError("a number of seconds")
    return float(text)


def _one_of(*choices: str) -> Parser:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"one of {', '.join(filter(None, choices))}")
        return text

    return parse


def _many(parse: Parser) -> Parser:
    return lambda text: tuple(parse(part) for part in text.split("|"))


def _close(text: str) -> Close:
    stage, _, code = text.partition(":")
    if stage not in STAGES or code not in _CLOSE_CODES:
        raise ValueError(f"a stage and a close code ({', '.join(_CLOSE_CODES)}), such as task_start:1006")
    return Close(stage=stage, code=int(code))


def _refusal(text: str) -> Refusal:
    if text in DOCUMENTED_REFUSALS:
        return DOCUMENTED_REFUSALS[text]
    code, _, message = text.partition(":")
    if not code.isdecimal():
        names = ", ".join(DOCUMENTED_REFUSALS)
        raise ValueError(f"a code and a message, such as 97:Insufficient balance, or one of {names}")
    return Refusal(code=int(code), message=message)


def _http_fault(text: str) -> HttpFault:
    """Parse `status:kind*count`; the count and either the status or the kind may be missing."""
    found = _HTTP_FAULT.fullmatch(text)
    kind = found[2] or "envelope" if found else ""
    if not found or not (found[1] or found[2]) or kind not in get_args(HttpKind):
        raise ValueError("status:kind*count, such as 429, 502:html, 200:truncated*2 or drop")
    return HttpFault(status=int(found[1] or 200), kind=cast("HttpKind", kind), count=int(found[3] or UNLIMITED))


def _body_stop(text: str) -> BodyStop:
    after, _, fault = text.partition(":")
    if not after.isdecimal():
        raise ValueError("a number of bytes and an HTTP fault, such as 65536:413:html or 65536:drop")
    return BodyStop(after_bytes=int(after), fault=_http_fault(fault or "413:html"))


_PARSERS: Final[Mapping[Any, Parser]] = {
    bool: _flag,
    int: _count,
    float: _seconds,
    str: str,
    Close: _close,
    Refusal: _refusal,
    HttpFault: _http_fault,
    BodyStop: _body_stop,
}
