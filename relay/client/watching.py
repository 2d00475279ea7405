"""
How a client follows a task over its event stream, without the network: what each message changes, where a stream
resumes, and how long to wait before that.
"""

from collections.abc import Mapping

import httpx
import orjson

from relay.backoff import full_jitter
from relay.client.errors import APIError, Problem, TaskDeleted, TaskFailed
from relay.client.responses import refusal
from relay.core.codec import decode_event, decode_snapshot
from relay.core.events import Event, State
from relay.core.snapshot import Snapshot, apply


class Watch:
    """One task that is followed."""

    def __init__(self, task: str) -> None:
        self.task = task
        self._snapshot: Snapshot | None = None
        self._failures = 0
        self._asked_s: float | None = None

    @property
    def ended(self) -> bool:
        """Whether the task has ended, and everything about it was received."""
        return self._snapshot is not None and self._snapshot.done is not None

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers with which the next stream begins where the last one ended."""
        if self._snapshot is None:
            return {}
        return {"Last-Event-ID": f"{self._snapshot.epoch}:{self._snapshot.seq}"}

    def receive(self, data: str) -> Snapshot | None:
        """
        Take in a message of the stream. Return the task's state if it has changed.

        Raises:
            TaskDeleted: the task was deleted.
            APIError: the stream ends because its token has expired.
        """
        self._failures = 0
        body = orjson.loads(data)
        match body["type"]:
            case "snapshot":
                self._snapshot = decode_snapshot(orjson.dumps(body["task"]))
                return self._snapshot
            case "resumed" | "ping":
                return None
            case "deleted":
                raise TaskDeleted(self.task)
            case "error":
                raise APIError(Problem(status=401, code=body["code"], detail=body["detail"], task=self.task))
            case _:  # an event; a later version may send other messages, which have no seq
                return self._apply(decode_event(data.encode())) if "seq" in body else None

    def _apply(self, event: Event) -> Snapshot | None:
        """Apply an event. One that the state contains already changes nothing."""
        before = self._snapshot
        if before is None:
            return None
        self._snapshot = apply(before, event)
        return None if self._snapshot is before else self._snapshot

    def refused(self, response: httpx.Response) -> None:
        """
        Note a response that is no stream.

        Raises:
            APIError: another attempt would fail too.
        """
        error = refusal(response)
        if not error.is_temporary:
            raise error
        self._asked_s = error.problem.retry_after_s

    def interrupted(self, error: httpx.TransportError) -> None:
        """
        Note that there is no stream, or that it was cut.

        Raises:
            httpx.TransportError: the address of the relay is wrong.
        """
        if isinstance(error, httpx.UnsupportedProtocol):
            raise error

    def delay_s(self) -> float:
        """Return how long to wait before the next stream. It grows while nothing arrives."""
        self._failures += 1
        asked_s, self._asked_s = self._asked_s, None
        return full_jitter(self._failures, asked_s=asked_s)


def succeeded(snapshot: Snapshot | None) -> Snapshot:
    """
    Return the last state of a task that has succeeded.

    Raises:
        TaskFailed: it has ended otherwise.
    """
    if snapshot is None:
        raise AssertionError("a watch yields at least the last state of its task")
    if snapshot.state is not State.SUCCEEDED:
        raise TaskFailed(snapshot)
    return snapshot
