"""The types of switch values that are more than a word or a number."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

Dialect = Literal["gen0", "gen1", "gen2"]
Stage = Literal[
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
]
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
HttpKind = Literal["envelope", "html", "truncated", "empty", "hang", "drop", "drop_before"]

STAGES: Final = get_args(Stage)
UNLIMITED: Final = 1_000_000_000
"""The count of a fault that hits every call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """Close a task's sockets after the frame of a stage; 1006 cuts the TCP connection without a closing handshake."""

    stage: str
    code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An error envelope with HTTP status 200."""

    code: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpFault:
    """
    A wrong HTTP response to the first `count` calls about a task, or to the first `count` identical Runs.

    `hang` never answers. `drop` closes the connection after the call has taken effect, `drop_before` before it does.
    The other kinds respond with `status` and an error envelope, a proxy's HTML page, half of the body, or no body.
    """

    status: int
    kind: HttpKind
    count: int

    @property
    def takes_effect(self) -> bool:
        """Whether the call is carried out although its caller gets no valid response."""
        return self.kind in ("drop", "hang") or (self.kind != "drop_before" and self.status < 400)


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyStop:
    """Stop reading a request's body after a number of bytes and respond with `fault`."""

    after_bytes: int
    fault: HttpFault


DOCUMENTED_REFUSALS: Final[Mapping[str, Refusal]] = {
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
Errors that Wiro documents, by the names that `run_error` accepts.

Sources: https://wiro.ai/docs/error-reference and https://wiro.ai/docs/organizations-billing, which has no codes.
"""
