"""
Validate the six parameters of language models that call tools and continue conversations, in Wiro's words.

The rules are those of the section "Direct LLM turns and tool calls" of https://wiro.ai/docs/run-a-model: a turn has
exactly one of `prompt`, `messages` and `toolOutputs`, and `previousTaskToken` is the `socketaccesstoken` of a completed
task of the same project, model and session. Wiro documents no error messages for them. Nor does it document whether a
conversation can be continued after InputOutputDelete: here it cannot, because its outputs are gone.
"""

from collections.abc import Mapping

from relay.sandbox.wiro import bodies
from relay.sandbox.wiro.models import Model
from relay.sandbox.wiro.tasks import Task, Tasks

MAX_SESSION_BYTES = 256


def conversation_error(tasks: Tasks, account: str, model: Model, values: Mapping[str, object]) -> str | None:
    """Return the error message for the first parameter that is missing or wrong, or None."""
    if model.kind != "chat":
        return None
    previous, session = bodies.text(values, "previousTaskToken"), bodies.text(values, "session_id")
    given = [name for name in ("prompt", "messages", "toolOutputs") if values.get(name) not in (None, "", [])]
    if not given:
        return "Request parameter [prompt] required"
    if len(given) > 1:
        return f"Request parameter [{given[1]}] must not be sent with [{given[0]}]"
    if given == ["toolOutputs"] and not previous:
        return "Request parameter [previousTaskToken] required"
    if len(session.encode()) > MAX_SESSION_BYTES:
        return f"Request parameter [session_id] must have at most {MAX_SESSION_BYTES} bytes"
    if previous and not session:
        return "Request parameter [session_id] required"
    if previous and not _continues(tasks.find(token=previous), account, model, session):
        return "Request parameter [previousTaskToken] must be a completed task of this project, model and session"
    return None


def _continues(earlier: Task | None, account: str, model: Model, session: str) -> bool:
    return (
        earlier is not None
        and earlier.account == account
        and earlier.identity.model is model
        and earlier.verdict == "success"
        and not earlier.record.files_deleted
        and bodies.text(earlier.identity.parameters, "session_id") in ("", session)
    )
