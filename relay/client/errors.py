"""What the client raises when the relay refuses a call or a task ends without success."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from relay.core.snapshot import Snapshot
from relay.errors import FieldError, RelayError


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """The body of an error (docs/protocol.md section 7)."""

    status: int
    code: str
    detail: str
    fields: Sequence[FieldError] = ()
    """The invalid fields."""
    task: str | None = None
    """The task that the platform refused."""
    request_id: str | None = None
    """The id of the request in the relay's log."""
    retry_after_s: float | None = None


class APIError(RelayError):
    """The relay rejected a call."""

    def __init__(self, problem: Problem) -> None:
        fields = "".join(f"\n  {field.field}: {field.message}" for field in problem.fields)
        super().__init__(f"{problem.status} {problem.code}: {problem.detail}{fields}")
        self.problem = problem

    @property
    def code(self) -> str:
        """The `code` of the problem, such as `invalid_input`."""
        return self.problem.code

    @property
    def is_temporary(self) -> bool:
        """Whether the same call may succeed later."""
        return self.problem.status == 429 or self.problem.status >= 500


class TaskFailed(RelayError):
    """A task has ended without success. `snapshot.done` says how and why."""

    def __init__(self, snapshot: Snapshot) -> None:
        done = snapshot.done
        reason = done.error.message if done is not None and done.error is not None else snapshot.state.value
        super().__init__(f"task {snapshot.id} has ended in `{snapshot.state}`: {reason}")
        self.snapshot = snapshot


class TaskDeleted(RelayError):
    """A task was deleted while it was followed."""

    def __init__(self, task: str) -> None:
        super().__init__(f"task {task} was deleted")
        self.task = task


def read_problem(status: int, headers: Mapping[str, str], body: object) -> Problem:
    """
    Return the problem that a response describes. A response of something else, such as a proxy, becomes one as well.

    Args:
        status: the HTTP status.
        headers: case-insensitive.
        body: the decoded JSON, or None.
    """
    fields: Mapping[str, object] = body if isinstance(body, dict) else {}
    errors = fields.get("errors")
    return Problem(
        status=status,
        code=_text(fields.get("code")) or "unknown",
        detail=_text(fields.get("detail"))
        or "the response is not from a relay; check the address, and whether a proxy is in between",
        fields=tuple(
            FieldError(field=str(error.get("field")), message=str(error.get("message")))
            for error in (errors if isinstance(errors, list) else [])
            if isinstance(error, dict)
        ),
        task=_text(fields.get("task")),
        request_id=_text(fields.get("request_id")) or headers.get("X-Request-Id"),
        retry_after_s=_seconds(headers.get("Retry-After")),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _seconds(value: str | None) -> float | None:
    return float(value) if value is not None and value.isascii() and value.isdigit() else None
