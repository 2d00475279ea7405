"""
Parse Wiro's REST responses.

An explicit refusal raises `UpstreamRejected`. An ambiguous response (a server error, HTML, truncated JSON)
raises `UpstreamUnclear`; its message names the problem and never quotes the body.
"""

from dataclasses import replace

from relay.core.signals import Record
from relay.core.upstream import UpstreamTask
from relay.errors import UpstreamRejected, UpstreamUnclear
from relay.providers.lenient_json import entries, flag, load, mapping, text
from relay.providers.response import Response
from relay.providers.wiro.record import parse_task
from relay.providers.wiro.refusals import classify, is_unknown_task, parse_errors
from relay.providers.wiro.statuses import normalize


def parse_run(response: Response) -> UpstreamTask:
    """
    Parse the response to Run.

    Raises:
        UpstreamRejected: Wiro refused the run.
        UpstreamUnclear: it is unknown whether a task was started, or one was started that cannot be identified.
    """
    envelope = _parse_envelope(response, "taskid")
    upstream_id, token = text(envelope.get("taskid")).strip(), text(envelope.get("socketaccesstoken")).strip()
    if refusal := _refusal(response, envelope):
        if upstream_id:
            raise UpstreamUnclear(f"Wiro refused the run but returned a task, {upstream_id[:40]}.", fault=refusal.fault)
        raise refusal
    if not upstream_id and not token:
        raise UpstreamUnclear(f"Wiro answered HTTP {response.status} without a task.")
    return UpstreamTask(upstream_id=upstream_id or None, socket_token=token or None)


def parse_record(response: Response) -> Record | None:
    """
    Parse the response to Task/Detail; return null if Wiro has no record of the task, or none yet.

    Raises:
        UpstreamRejected: Wiro refused the call.
        UpstreamUnclear: the response is malformed.
    """
    try:
        tasks = parse_tasks(response)
    except UpstreamRejected as refusal:
        if is_unknown_task(refusal):
            return None
        raise
    if not tasks:  # the list is briefly empty after a run
        return None
    return replace(parse_task(tasks[0]), dated_at=response.dated_at)


def parse_tasks(response: Response) -> list[dict[str, object]]:
    """
    Return the records in a response, unparsed and without empty entries.

    Raises:
        UpstreamRejected: Wiro refused the call.
        UpstreamUnclear: the response is malformed.
    """
    envelope = _accepted(response, "tasklist")
    if "tasklist" in envelope:
        return _objects(envelope["tasklist"])
    if normalize(envelope.get("status")).startswith("task_"):  # some samples have the task itself in `data`
        return [envelope]
    raise UpstreamUnclear(f"Wiro answered HTTP {response.status} without a task list.")


def parse_tools(response: Response) -> list[dict[str, object]]:
    """
    Return the model descriptions in a response, unparsed and without empty entries.

    Raises:
        UpstreamRejected: Wiro refused the call.
        UpstreamUnclear: the response is malformed.
    """
    envelope = _accepted(response, "tool")
    if "tool" not in envelope:
        raise UpstreamUnclear(f"Wiro answered HTTP {response.status} without a model.")
    return _objects(envelope["tool"])


def parse_entry(response: Response) -> dict[str, object]:
    """
    Return the file or folder in a response of the file store, unparsed. Wiro documents it in `list` and in `data`.

    Raises:
        UpstreamRejected: Wiro refused the call.
        UpstreamUnclear: the response is malformed.
    """
    envelope = _accepted(response, "list")
    return next(iter(_objects(envelope.get("list"))), envelope)


def confirm(response: Response) -> None:
    """
    Check that a call succeeded and ignore the rest of the response.

    Raises:
        UpstreamRejected: Wiro refused the call.
        UpstreamUnclear: the response is malformed.
    """
    envelope = _accepted(response, "result")
    if flag(envelope.get("result")) is None:
        raise UpstreamUnclear(f"Wiro answered HTTP {response.status} without a result.")


def _accepted(response: Response, key: str) -> dict[str, object]:
    """Return the envelope of a call that Wiro accepted."""
    envelope = _parse_envelope(response, key)
    if refusal := _refusal(response, envelope):
        raise refusal
    return envelope


def _objects(value: object) -> list[dict[str, object]]:
    return [found for entry in entries(value) if (found := mapping(entry))]


def _parse_envelope(response: Response, key: str) -> dict[str, object]:
    """Return the envelope. Wiro documents `key` at its top level, and in places one level below, in `data`."""
    try:
        envelope = load(response.body)
        problem = "" if isinstance(envelope, dict) else " with JSON that is not an object"
    except ValueError:
        envelope, problem = None, f" {response.problem}"
    if response.status >= 500 or response.status == 408:
        errors = parse_errors(envelope.get("errors")) if isinstance(envelope, dict) else ()
        raise UpstreamUnclear(
            f"Wiro answered HTTP {response.status}{f': {errors[0].message}' if errors else f'{problem}.'}",
            fault=errors[0] if errors else None,
            retry_after_s=response.retry_after_s,
        )
    if isinstance(envelope, dict):
        inner = mapping(envelope.get("data"))
        return envelope if key in envelope or not inner else {**envelope, **inner}
    if response.status >= 400:  # a proxy in front of Wiro refused the call
        raise classify(response.status, (), response.retry_after_s)
    raise UpstreamUnclear(f"Wiro answered HTTP {response.status}{problem}.")


def _refusal(response: Response, envelope: dict[str, object]) -> UpstreamRejected | None:
    errors = parse_errors(envelope.get("errors"))
    if errors or response.status >= 400 or flag(envelope.get("result")) is False:
        return classify(response.status, errors, response.retry_after_s)
    if response.status >= 300:
        raise UpstreamUnclear(f"Wiro answered HTTP {response.status}, a redirect: check WIRO_API_URL.")
    return None
