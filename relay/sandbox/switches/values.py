"""What the switches take: the values that are more than a word, and the readers of every kind of value from text.

A reader raises ValueError with what it would have taken.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, cast, get_args

Dialect = Literal["gen0", "gen1", "gen2"]
OddFrame = Literal[
    "not_json",
    "array",
    "unknown_type",
    "huge",
    "half_emoji",
    "binary",
    "agent",
    "realtime",
    "foreign",
    "foreign_log",
]
OutputsShape = Literal["list", "null", "empty", "holes", "json"]
WebhookShape = Literal["tasklist", "task", "status", "none"]
NullMessage = Literal["null", "empty", "absent"]
Unknown = Literal["silent", "error", "close"]
HttpKind = Literal["envelope", "html", "truncated", "empty", "hang", "drop", "drop_before"]

UNLIMITED = 1_000_000_000
"""The count of a fault that hits every time."""

STAGES = (
    "task_queue",
    "task_accept",
    "task_preprocess_start",
    "task_preprocess_end",
    "task_assign",
    "task_start",
    "task_output",
    "task_error",
    "task_output_full",
    "task_error_full",
    "task_end",
    "task_postprocess_start",
    "task_postprocess_end",
    "task_cancel",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """Close the subscribed sockets after a stage was announced; 1006 cuts the TCP connection without a goodbye."""

    stage: str
    code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An error envelope with HTTP 200."""

    code: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpFault:
    """
    An HTTP answer gone wrong, for the first `count` calls: of a task, or for Run of the same body.

    `hang` never answers, `drop` closes the connection once the call has taken effect, `drop_before` before it has; the
    other kinds answer with `status` and an error envelope, a proxy's HTML page, half an answer, or nothing.
    """

    status: int
    kind: HttpKind
    count: int

    @property
    def takes_effect(self) -> bool:
        """Whether the call was carried out although its caller does not learn of it."""
        return self.kind in ("drop", "hang") or (self.kind != "drop_before" and self.status < 400)


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyStop:
    """A request's body is read so far and no further; `fault` is what its sender gets to see."""

    after_bytes: int
    fault: HttpFault


def flag(text: str) -> bool:
    """Read on or off; nothing at all is on."""
    match text.lower():
        case "" | "1" | "on" | "true" | "yes":
            return True
        case "0" | "off" | "false" | "no":
            return False
        case _:
            raise ValueError("on or off")


def count(text: str) -> int:
    """Read a whole number."""
    if not text.isdecimal():
        raise ValueError("a whole number")
    return int(text)


def seconds(text: str) -> float:
    """Read a number of seconds."""
    if not re.fullmatch(r"\d+(\.\d+)?", text):
        raise ValueError("a number of seconds")
    return float(text)


def share(text: str) -> float:
    """Read a share: 0 to 1."""
    if not re.fullmatch(r"0(\.\d+)?|1(\.0+)?", text):
        raise ValueError("a share, from 0 to 1")
    return float(text)


def any_text(text: str) -> str:
    """Read anything."""
    return text


def one_of(*choices: str) -> Callable[[str], str]:
    """Return a reader of one of a few words."""

    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return text

    return parse


def many(parse: Callable[[str], str]) -> Callable[[str], tuple[str, ...]]:
    """Return a reader of several values, parted by `|`."""
    return lambda text: tuple(parse(part) for part in text.split("|"))


stage_name = one_of(*STAGES)


def close_at(text: str) -> Close:
    """Read `stage:code`."""
    stage, _, code = text.partition(":")
    if stage not in STAGES or code not in ("1000", "1001", "1006", "1011"):
        raise ValueError("a stage and 1000, 1001, 1006 or 1011, like task_start:1006")
    return Close(stage=stage, code=int(code))


REFUSALS: Final[Mapping[str, Refusal]] = {
    "balance": Refusal(code=97, message="Insufficient balance"),
    "sign_in": Refusal(code=98, message="sign in to run this model"),
    "not_accessible": Refusal(code=1, message="tool-not-accessible"),
    "permission": Refusal(code=0, message="You don't have any permission for this action."),
    "suspended": Refusal(
        code=0,
        message="Your account has been suspended. Please contact support if you believe this is a mistake.",
    ),
    "team_model": Refusal(code=0, message="This model is not available for your team"),
    "team_limit": Refusal(code=0, message="Team spend limit has been reached"),
    "personal_limit": Refusal(code=0, message="Your personal spend limit in this team has been reached"),
}
"""
Refusals that Wiro documents, at https://wiro.ai/docs/error-reference and https://wiro.ai/docs/organizations-billing;
the latter prints no codes.
"""


def refusal(text: str) -> Refusal:
    """Read `code:message`, or the name of a documented refusal."""
    if text in REFUSALS:
        return REFUSALS[text]
    code, _, message = text.partition(":")
    if not code.isdecimal():
        raise ValueError(f"a code and a message, like 97:Insufficient balance, or one of {', '.join(REFUSALS)}")
    return Refusal(code=int(code), message=message)


def http_fault(text: str) -> HttpFault:
    """Read `status:kind*count`, of which the status or the kind and the count may be missing."""
    found = re.fullmatch(r"(\d{3})?:?([a-z_]+)?(?:\*(\d+))?", text)
    kind = found[2] or "envelope" if found else ""
    if not found or not (found[1] or found[2]) or kind not in get_args(HttpKind):
        raise ValueError("a status, a kind or both, and how often: 429, 502:html, 200:truncated*2, drop")
    return HttpFault(status=int(found[1] or 200), kind=cast("HttpKind", kind), count=int(found[3] or UNLIMITED))


def body_stop(text: str) -> BodyStop:
    """Read `bytes:fault`, of which the fault may be missing."""
    after, _, fault = text.partition(":")
    if not after.isdecimal():
        raise ValueError("a number of bytes and what then comes, like 65536:413:html or 65536:drop")
    return BodyStop(after_bytes=int(after), fault=http_fault(fault or "413:html"))
