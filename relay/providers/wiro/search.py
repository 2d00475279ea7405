"""
Looking in Wiro's list for a run whose answer never came.

The callback address is certain proof, for it holds a random word of this task alone. Without one, only what was asked
for and when can be compared, and that is no proof: how many fit is for the caller to judge.
"""

from collections.abc import Sequence

from relay.core.upstream import Found, Run, UpstreamTask
from relay.providers.lenient_json import mapping, moment, text

CLOCK_SKEW_S = 120.0
"""How far Wiro's clock may be off from ours."""


def pick(tasks: Sequence[dict[str, object]], run: Run, *, since: float, until: float) -> Found:
    """Return those of Wiro's tasks that may be `run`, sent between `since` and `until` (unix seconds)."""
    if run.callback_url is not None:
        for task in tasks:
            if text(task.get("callbackurl")) == run.callback_url:
                return Found(certain=_known(task))
    fitting = (_known(task) for task in tasks if _fits(task, run, since, until))
    return Found(likely=tuple(dict.fromkeys(fitting)))


def _fits(task: dict[str, object], run: Run, since: float, until: float) -> bool:
    made_at = moment(task.get("createtime"))
    if made_at is None or not since - CLOCK_SKEW_S <= made_at <= until + CLOCK_SKEW_S:
        return False
    said = [text(task.get("modelslugowner")), text(task.get("modelslugproject"))]
    if all(said) and "/".join(said).lower() != run.model.lower():
        return False
    if run.callback_url is not None and text(task.get("callbackurl")):
        return False  # it calls back to somebody else
    parameters = mapping(task.get("parameters"))
    # Nothing says that it keeps nulls, and of a file it keeps an address of its own.
    files = {file.input for file in run.files}
    given = {name: value for name, value in run.input.items() if value is not None and name not in files}
    return files <= parameters.keys() and all(
        name in parameters and _same(parameters[name], value) for name, value in given.items()
    )


def _same(theirs: object, ours: object) -> bool:
    """Compare as Wiro does: it keeps numbers and booleans as strings."""
    if isinstance(ours, bool):
        ours = "true" if ours else "false"
    return theirs == ours or text(theirs) == text(ours) != ""


def _known(task: dict[str, object]) -> UpstreamTask:
    return UpstreamTask(
        upstream_id=text(task.get("id")) or text(task.get("taskid")) or None,
        socket_token=text(task.get("socketaccesstoken")) or None,
    )
