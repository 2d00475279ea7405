"""
Search Wiro's task list for a run that got no response. Pure.

The callback URL is proof, because it contains a secret that is unique to the task. Without one, only the input and the
time can be compared. That is not proof, so the caller decides what to do with the matches.
"""

from collections.abc import Sequence

from relay.core.upstream import Found, Run, UpstreamTask
from relay.providers.lenient_json import mapping, moment, text

CLOCK_SKEW_S = 120.0
"""The assumed maximum difference between Wiro's clock and the local one."""


def pick(tasks: Sequence[dict[str, object]], run: Run, *, since: float, until: float) -> Found:
    """Return the tasks that may be `run`, which was sent between `since` and `until` (unix seconds)."""
    if run.callback_url is not None:
        for task in tasks:
            if text(task.get("callbackurl")) == run.callback_url:
                return Found(certain=_identity(task))
    matching = (_identity(task) for task in tasks if _matches(task, run, since, until))
    return Found(likely=tuple(dict.fromkeys(matching)))


def _matches(task: dict[str, object], run: Run, since: float, until: float) -> bool:
    created_at = moment(task.get("createtime"))
    if created_at is None or not since - CLOCK_SKEW_S <= created_at <= until + CLOCK_SKEW_S:
        return False
    names = [text(task.get("modelslugowner")), text(task.get("modelslugproject"))]
    if all(names) and "/".join(names).lower() != run.model.lower():
        return False
    if run.callback_url is not None and text(task.get("callbackurl")):
        return False  # another client started this task
    parameters = mapping(task.get("parameters"))
    # Wiro may drop nulls, and it stores its own URL for a file.
    files = {file.input for file in run.files}
    given = {name: value for name, value in run.input.items() if value is not None and name not in files}
    return files <= parameters.keys() and all(
        name in parameters and _is_same(parameters[name], value) for name, value in given.items()
    )


def _is_same(stored: object, sent: object) -> bool:
    """Compare an input as strings, because Wiro stores numbers and booleans as strings."""
    if isinstance(sent, bool):
        sent = "true" if sent else "false"
    return stored == sent or text(stored) == text(sent) != ""


def _identity(task: dict[str, object]) -> UpstreamTask:
    return UpstreamTask(
        upstream_id=text(task.get("id")) or text(task.get("taskid")) or None,
        socket_token=text(task.get("socketaccesstoken")) or None,
    )
