"""
Parse the state of a job, for which similar platforms use many different words. Pure.

Apikley documents `success` and `fail`. Other APIs of kie.ai, which runs these jobs, answer `GENERATE_FAILED` or a
`successFlag` from 0 to 3. An unknown state never ends a task.
"""

import re
from collections.abc import Mapping
from typing import Final, Literal

from relay.providers.lenient_json import integer, text

State = Literal["waiting", "generating", "succeeded", "failed", "canceled"]

_SUCCEEDED: Final = frozenset(
    {"success", "succeed", "succeeded", "successful", "successfully", "complete", "completed", "done", "finish"}
    | {"finished", "allsuccess"}
)
_CANCELED: Final = frozenset(
    {"cancel", "canceled", "cancelled", "abort", "aborted", "stopped", "terminated", "killed", "revoked"}
)
_FAILED: Final = frozenset(
    {"fail", "failed", "failure", "error", "errored", "expired", "expire", "timeout", "timedout"}
    | {"reject", "rejected", "refused", "denied", "crashed"}
)
_WAITING: Final = frozenset(
    {
        "accepted",
        "created",
        "inqueue",
        "initial",
        "initializing",
        "pending",
        "preparing",
        "queue",
        "queued",
        "queueing",
        "queuing",
    }
    | {"scheduled", "submitted", "wait", "waiting"}
)
_GENERATING: Final = frozenset(
    {
        "active",
        "executing",
        "firstsuccess",
        "generating",
        "inprogress",
        "ongoing",
        "processing",
        "progress",
        "rendering",
    }
    | {"running", "started", "starting", "textsuccess", "working"}
)

_SUBJECTS: Final = frozenset({"generate", "generation", "job", "request", "run", "task"})

_FLAGS: Final[dict[int, State]] = {0: "generating", 1: "succeeded", 2: "failed", 3: "failed"}
"""The `successFlag` of kie.ai's Veo API: 2 is a failed job, 3 one that could not be created (https://docs.kie.ai)."""


def find(record: Mapping[str, object]) -> str:
    """Return the unparsed state in a record, or an empty string."""
    names = ("state", "status", "taskStatus", "task_status", "successFlag", "success_flag")
    return next((found for name in names if (found := text(record.get(name)).strip())), "")


def parse(state: str) -> State | None:
    """Return the meaning of a state, or null if it is unknown."""
    if (flag := integer(state)) is not None:
        return _FLAGS.get(flag)
    words = [each for each in re.split(r"[^a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", state).lower()) if each]
    if len(words) > 1 and words[0] in _SUBJECTS:  # `TASK_COMPLETED` means `COMPLETED`
        del words[0]
    bare = "".join(words)
    for meaning, known in _KNOWN.items():
        if bare in known:
            return meaning
    # kie.ai: `GENERATE_FAILED`, `CREATE_TASK_FAILED`, `SENSITIVE_WORD_ERROR`.
    is_failure = bool(words) and words[-1] in ("fail", "failed", "failure", "error", "rejected")
    return "failed" if is_failure and words[0] not in ("no", "not", "retry", "retrying") else None


_KNOWN: Final[dict[State, frozenset[str]]] = {
    "succeeded": _SUCCEEDED,
    "failed": _FAILED,
    "canceled": _CANCELED,
    "generating": _GENERATING,
    "waiting": _WAITING,
}
