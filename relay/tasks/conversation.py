"""
Translates the earlier task of a conversation, which a run of a language model continues.

Clients name it by the relay's id. The platform names it by its socket token, which grants control over the task, so no
client ever gets it.
"""

from dataclasses import replace

from relay.core.upstream import CheckedInput
from relay.errors import Code, FieldError, RequestError
from relay.journal.base import Journal
from relay.providers.base import Provider


async def continue_earlier(
    journal: Journal, provider: Provider, checked: CheckedInput, tag: str | None = None
) -> CheckedInput:
    """
    Return the input to send, with the token of the earlier task instead of its id.

    Args:
        journal: has the earlier task.
        provider: whose model is run.
        checked: the input as the client gave it. It need not name an earlier task.
        tag: the earlier task must have this tag; null for any task.

    Raises:
        RequestError: the relay has no such task, or it cannot be continued.
    """
    name = provider.continues_by
    task = None if name is None else checked.input.get(name)
    if name is None or task is None or task == "":
        return checked
    stored = await journal.stored_task(task) if isinstance(task, str) else None
    if stored is None or (tag is not None and tag not in stored.tags):
        raise _refusal(name, "must be the ID of an earlier task of this relay")
    snapshot = await journal.snapshot(stored.id)
    if stored.provider != provider.name:
        raise _refusal(name, f"is a task of {stored.provider}; it must be one of {provider.name}")
    if snapshot is None or snapshot.done is None:
        raise _refusal(name, "is a task that has not ended; continue the conversation when it has")
    if stored.upstream is None or stored.upstream.socket_token is None:
        raise _refusal(name, "is a task that the platform did not accept")
    return replace(checked, input={**checked.input, name: stored.upstream.socket_token})


def _refusal(name: str, message: str) -> RequestError:
    wrong = FieldError(field=f"input.{name}", message=message)
    return RequestError(Code.INVALID_INPUT, f"{name} {message}", fields=(wrong,))
