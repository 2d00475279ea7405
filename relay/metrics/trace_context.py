"""
Which trace a task belongs to, by the W3C's Trace Context: https://www.w3.org/TR/trace-context/

The ids are derived from the id of the task. So every node and every later process has the same ones, and only the
`traceparent` of the request is stored.
"""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Self

from relay.journal.base import StoredTask

_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_TRACE_BYTES: Final = 16
_SPAN_BYTES: Final = 8
_SAMPLED: Final = 1
_CHARS: Final = 55
"""The length of a header of version 00."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceContext:
    """The trace of a task, and the span of the task in it."""

    trace_id: int
    span_id: int
    parent_id: int | None = None
    """The span of the request; null if the trace begins with the task."""
    sampled: bool = True

    @classmethod
    def of(cls, task: str, traceparent: str | None) -> Self:
        """Return the context of a task that was started with this header."""
        digest = sha256(f"relay task {task}".encode()).digest()
        trace_id = int.from_bytes(digest[:_TRACE_BYTES])
        span_id = int.from_bytes(digest[_TRACE_BYTES : _TRACE_BYTES + _SPAN_BYTES])
        if traceparent is None or (parsed := _parse(traceparent)) is None:
            return cls(trace_id=trace_id, span_id=span_id)
        trace_id, parent_id, flags = parsed
        return cls(trace_id=trace_id, span_id=span_id, parent_id=parent_id, sampled=bool(flags & _SAMPLED))

    @property
    def traceparent(self) -> str:
        """The header of what the task leads to, such as a webhook."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{int(self.sampled):02x}"


def checked_traceparent(header: str | None) -> str | None:
    """Return the header of a request, or null if it is not valid: then the trace begins with the task."""
    return None if header is None or _parse(header) is None else header[:_CHARS]


def trace_of(task: StoredTask) -> str:
    """Return the `traceparent` of what a task leads to."""
    return TraceContext.of(task.id, task.traceparent).traceparent


def _parse(header: str) -> tuple[int, int, int] | None:
    """Return the trace, the span and the flags. Later versions may append something, and version ff is not valid."""
    if (parsed := _TRACEPARENT.fullmatch(header)) is None or parsed[1] == "ff" or (parsed[1] == "00" and parsed[5]):
        return None
    trace_id, span_id, flags = (int(part, 16) for part in parsed.group(2, 3, 4))
    return (trace_id, span_id, flags) if trace_id and span_id else None
