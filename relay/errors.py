"""
The errors of the relay, arranged by who can fix them.

RelayError
├── ConfigError            the operator: a setting, the store, a port
├── RequestError           the caller of the API: a problem code, and the invalid fields
├── StoreError             the store, for example because the disk is full; also an OSError
│   ├── StoreGone          its file was deleted or replaced
│   ├── StoreTimeout       a read took too long and was stopped
│   └── StoreDamaged       the rows of one task are inconsistent
├── Fenced                 another node owns the task now
├── Taken                  the upstream task belongs to another task
└── UpstreamError          the platform
    ├── UpstreamRejected   it refused: nothing was started
    │   └── UpstreamFull   because it is at capacity: a later attempt may succeed
    ├── UpstreamUnavailable  it was not reached: nothing was started
    └── UpstreamUnclear    it may have acted: its answer is missing or invalid

Every message can be shown to a user. It says what is wrong and what to do, and never contains a secret.
"""

from dataclasses import dataclass
from enum import StrEnum


class RelayError(Exception):
    """Base class of all errors that are meant to be shown. Bugs raise other exceptions."""


class ConfigError(RelayError):
    """An error that the operator can fix. Each line of the message names a setting and what it accepts."""


class Code(StrEnum):
    """The `code` of a problem response (docs/protocol.md section 7)."""

    INVALID_REQUEST = "invalid_request"
    UNAUTHORIZED = "unauthorized"
    INSUFFICIENT_BALANCE = "insufficient_balance"
    BUDGET_EXHAUSTED = "budget_exhausted"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    GONE = "gone"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    CONFLICT = "conflict"
    PAYLOAD_TOO_LARGE = "payload_too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    INVALID_INPUT = "invalid_input"
    RATE_LIMITED = "rate_limited"
    INTERNAL = "internal"
    UPSTREAM_REJECTED = "upstream_rejected"
    UPSTREAM_UNAVAILABLE = "upstream_unavailable"
    STORE_UNAVAILABLE = "store_unavailable"
    DRAINING = "draining"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """An invalid field: its dotted path in the body, and what it accepts."""

    field: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamFault:
    """The platform's own error: its code, if it returned one, and its message."""

    code: int | str | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetState:
    """A budget that does not allow a start. Amounts are in `unit`."""

    unit: str
    limit: float
    spent: float
    reserved: float
    """What the tasks that have not ended will probably cost."""
    left: float
    estimate: float | None
    """What the start would probably have cost. Null: unknown."""
    resets_at: float | None
    """In unix seconds. Null: never."""


class RequestError(RelayError):
    """An error that the caller of the API can fix."""

    def __init__(
        self,
        code: Code,
        detail: str,
        *,
        fields: tuple[FieldError, ...] = (),
        retry_after_s: float | None = None,
        budget: BudgetState | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.fields = fields
        self.retry_after_s = retry_after_s
        self.budget = budget


class StoreError(RelayError, OSError):
    """
    The store failed, and nothing was written. A later attempt may succeed.

    The message names the file and is for the log only. The journal logs each outage once.
    """


class StoreGone(StoreError):
    """The store's file was deleted, moved, replaced or overwritten while it was open."""


class StoreTimeout(StoreError):
    """A read took too long and was stopped. The store works; another attempt will probably take as long."""

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"the read was stopped because it took longer than {limit_s:g} s")
        self.limit_s = limit_s


class StoreDamaged(StoreError):
    """The rows of one task are inconsistent. Other tasks are not affected, and another attempt fails too."""

    def __init__(self, task: str, part: str) -> None:
        super().__init__(f"the {part} of task {task} cannot be read: its row in the store is damaged")
        self.task = task


class Fenced(RelayError):
    """
    This node does not own the task any more, or has been declared dead. Nothing was written, and nothing may be.

    It is not a StoreError: the store works, and another attempt fails too.
    """


class Taken(RelayError):
    """Another task of the relay is this upstream task. Nothing was written."""


class UpstreamError(RelayError):
    """
    The platform failed or refused.

    `code` is the problem code for the caller of the API; `fault` is the platform's own error, if it sent one.
    """

    default_code = Code.UPSTREAM_REJECTED

    def __init__(
        self,
        detail: str,
        *,
        code: Code | None = None,
        fault: UpstreamFault | None = None,
        fields: tuple[FieldError, ...] = (),
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code or self.default_code
        self.detail = detail
        self.fault = fault
        self.fields = fields
        self.retry_after_s = retry_after_s


class UpstreamRejected(UpstreamError):
    """The platform understood and refused: nothing was started or changed."""


class UpstreamFull(UpstreamRejected):
    """The platform is at capacity. A later attempt may succeed."""

    default_code = Code.RATE_LIMITED


class UpstreamUnavailable(UpstreamError):
    """The platform was not reached: nothing was started or changed."""

    default_code = Code.UPSTREAM_UNAVAILABLE


class UpstreamUnclear(UpstreamError):
    """
    The platform may have acted: its answer is missing or invalid.

    A billable call with this outcome is never sent again.
    """

    default_code = Code.UPSTREAM_UNAVAILABLE
