"""
The tree of our errors, by whose fault it is.

RelayError
├── ConfigError            the operator: a setting, the store, a port
├── RequestError           the caller of our API: a problem code and the fields that are wrong
├── StoreError             the store: a full disk, say; it is an OSError too
│   ├── StoreGone          its file was deleted or replaced
│   └── StoreDamaged       one task's rows make no sense
└── UpstreamError          the platform
    ├── UpstreamRejected   it understood and said no: nothing was started
    │   └── UpstreamFull   for want of a place: the one refusal that passes by itself
    ├── UpstreamUnavailable  it was not reached: nothing was started
    └── UpstreamUnclear    it may have acted: the answer is missing or makes no sense

Every text here can reach a person. It says what was wrong and what to do, and never holds a secret.
"""

from dataclasses import dataclass
from enum import StrEnum


class RelayError(Exception):
    """The root: catching it catches every error that is meant to be shown, and no bug of ours."""


class ConfigError(RelayError):
    """The operator can mend it: one line that names the setting and what it takes."""


class Code(StrEnum):
    """The `code` of a problem answer (api.md section 8)."""

    INVALID_REQUEST = "invalid_request"
    UNAUTHORIZED = "unauthorized"
    INSUFFICIENT_BALANCE = "insufficient_balance"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
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
    """One field that is wrong: its dotted path in the body, and what it takes."""

    field: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamFault:
    """What the platform itself said: its own code, where it gave one, and its words."""

    code: int | str | None
    message: str


class RequestError(RelayError):
    """The caller can mend it."""

    def __init__(
        self,
        code: Code,
        detail: str,
        *,
        fields: tuple[FieldError, ...] = (),
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.fields = fields
        self.retry_after_s = retry_after_s


class StoreError(RelayError, OSError):
    """
    The store failed, and nothing was written; it may work again later.

    Its text is for the log: it names the file. The journal logs each outage itself, once.
    """


class StoreGone(StoreError):
    """The store's file is not the one that this process has open: it was deleted, moved, replaced or overwritten."""


class StoreDamaged(StoreError):
    """The rows of one task make no sense. Other tasks are not affected, and trying again does not help."""

    def __init__(self, task: str, part: str) -> None:
        super().__init__(f"the {part} of task {task} cannot be read: its row in the store is damaged")
        self.task = task


class UpstreamError(RelayError):
    """
    The platform's doing.

    `code` is the problem code that the caller of our API gets; `fault` is what the platform said, if it said anything.
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
    """The platform understood and refused: surely nothing was started or changed."""


class UpstreamFull(UpstreamRejected):
    """The platform has no place for the task now; sent again later, it may be taken."""

    default_code = Code.RATE_LIMITED


class UpstreamUnavailable(UpstreamError):
    """The platform was not reached: surely nothing was started or changed."""

    default_code = Code.UPSTREAM_UNAVAILABLE


class UpstreamUnclear(UpstreamError):
    """
    The platform may have acted, and we do not know: no answer, or one that makes no sense.

    A billable call that ends so is never sent again.
    """

    default_code = Code.UPSTREAM_UNAVAILABLE
