"""
Apikley's answers into typed values, each read once.

Its envelope is `{code, msg | message, data}`, and the code decides, not the HTTP status. A refusal that Apikley spelt
out is `UpstreamRejected`. What says nothing we can rely on is `UpstreamUnclear`, and its text says which of these it
was, never what was in it.
"""

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from relay.core.events import Cost, Fault, Output, Progress, Stage
from relay.core.signals import Record
from relay.core.upstream import UpstreamTask
from relay.errors import UpstreamFault, UpstreamRejected, UpstreamUnclear
from relay.providers import outputs
from relay.providers.apikley import states
from relay.providers.apikley.refusals import UNCLEAR, classify, is_unknown_job
from relay.providers.http import Answer
from relay.providers.lenient_json import integer, load, mapping, moment, number, short, text

_SUCCESS: Final = 200
_STAGES: Final = {"waiting": Stage.QUEUE, "generating": Stage.START}

_RESULTS: Final = ("resultJson", "response", "resultInfoJson", "result", "results", "output", "outputs")
"""Fields of a record that hold its results. Apikley documents the first; kie.ai's Veo API uses the second."""

_URLS: Final = ("resultUrls", "resultUrl", "result_urls", "result_url")
"""Fields of a result that hold its files. Other fields may hold inputs, such as the picture that a video began with."""

_CARRIED: Final = ("resultUrls", "result_urls", "resultUrl", "urls", "videoUrl", "imageUrl", "audioUrl", "url")
"""Fields of a record that hold addresses directly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Envelope:
    code: int
    message: str
    data: dict[str, object]


def parse_create(answer: Answer) -> UpstreamTask:
    """
    Read the answer to createTask.

    Raises:
        UpstreamRejected: Apikley said no.
        UpstreamUnclear: it cannot be told whether a job was made.
    """
    said = _read(answer)
    job = job_id(said.data)
    if said.code != _SUCCESS:
        if job:
            fault = UpstreamFault(code=said.code, message=said.message)
            raise UpstreamUnclear(f"Apikley refused and yet named a job, {job[:40]}.", fault=fault)
        raise _refusal(answer, said)
    if not job:
        raise UpstreamUnclear(f"Apikley answered HTTP {answer.status} without a job.")
    return UpstreamTask(upstream_id=job, socket_token=None)


def parse_record(answer: Answer) -> Record | None:
    """
    Read a job's record; null when Apikley does not have it (yet).

    Raises:
        UpstreamRejected: Apikley said no.
        UpstreamUnclear: the answer makes no sense.
    """
    said = _read(answer)
    if states.said(said.data):  # the record of a failed job may come under the job's own code, 501
        return replace(_record(said.data), dated_at=answer.dated_at)
    if is_unknown_job(said.code, said.message) or (said.code == _SUCCESS and not said.data):
        return None
    if said.code != _SUCCESS:
        raise _refusal(answer, said)
    raise UpstreamUnclear(f"Apikley answered HTTP {answer.status} with a record that has no state.")


def confirm(answer: Answer) -> None:
    """
    Read an answer of which only its success matters.

    Raises:
        UpstreamRejected: Apikley said no.
        UpstreamUnclear: the answer makes no sense.
    """
    said = _read(answer)
    if said.code != _SUCCESS:
        raise _refusal(answer, said)


def job_id(data: dict[str, object]) -> str:
    """Return the job that an answer or a callback is about: documents and samples differ in the spelling."""
    return text(data.get("taskId")).strip() or text(data.get("task_id")).strip()


def _read(answer: Answer) -> _Envelope:
    try:
        fields = load(answer.body)
        problem = "with JSON that is not an object"
    except ValueError:
        fields, problem = None, answer.unreadable
    if not isinstance(fields, dict):
        if answer.status >= 400 and not _unclear(answer.status):  # refused, whoever stood in front and said so
            raise classify(answer.status, "", answer.retry_after_s)
        raise UpstreamUnclear(f"Apikley answered HTTP {answer.status} {problem}.", retry_after_s=answer.retry_after_s)
    if 300 <= answer.status < 400:
        raise UpstreamUnclear(f"Apikley answered HTTP {answer.status}, a redirect: check APIKLEY_API_URL.")
    code = integer(fields.get("code"))
    if code is None or (code == _SUCCESS and answer.status >= 400):
        code = answer.status
    message = short(text(fields.get("msg")) or text(fields.get("message")))
    return _Envelope(code=code, message=message, data=mapping(fields.get("data")))


def _refusal(answer: Answer, said: _Envelope) -> UpstreamRejected | UpstreamUnclear:
    if not _unclear(said.code):
        return classify(said.code, said.message, answer.retry_after_s)
    return UpstreamUnclear(
        f"Apikley answered with code {said.code}" + (f": {said.message}" if said.message else "."),
        fault=UpstreamFault(code=said.code, message=said.message),
        retry_after_s=answer.retry_after_s,
    )


def _unclear(code: int) -> bool:
    return code in UNCLEAR or not 400 <= code < 600


def _record(record: dict[str, object]) -> Record:
    said = states.said(record)
    state = states.read(said)
    phase = state if state in ("succeeded", "failed", "canceled") else None
    made_at, ended_at = moment(record.get("createTime")), moment(record.get("completeTime"))
    found = _outputs(record) if phase == "succeeded" else ()
    percent = number(record.get("progress"))
    return Record(
        phase=phase or "open",
        status=short(said)[:100],
        stage=_STAGES.get(state) if state is not None else None,
        upstream_id=job_id(record) or None,
        model=text(record.get("model")) or None,
        stages=MappingProxyType(_stages(record, state)),
        progress=Progress(percent=percent) if phase is None and percent is not None and 0 <= percent <= 100 else None,
        fault=_fault(record) if phase == "failed" else None,
        outputs=found,
        ended_at=ended_at if phase is not None else None,
        # `costTime` is milliseconds in some documents and seconds in others: the two times are beyond doubt.
        elapsed_s=ended_at - made_at if phase is not None and made_at and ended_at and ended_at >= made_at else None,
        cost=_cost(record) if phase is not None else None,
    )


def _stages(record: dict[str, object], state: states.State | None) -> dict[Stage, float]:
    """Work the stages out: the record has three times and no clock of its stages."""
    made_at, changed_at = moment(record.get("createTime")), moment(record.get("updateTime"))
    ended_at = moment(record.get("completeTime"))
    stages = {}
    if made_at is not None:
        stages[Stage.QUEUE] = made_at
    if state == "generating" and changed_at is not None:
        stages[Stage.START] = changed_at
    if state == "succeeded" and ended_at is not None:
        stages[Stage.END] = stages[Stage.POSTPROCESS_END] = ended_at
    return stages


def _outputs(record: dict[str, object]) -> tuple[Output, ...]:
    """Read the results: addresses of files, an object for a text model, in an object, a list or a string of JSON."""
    for name in _RESULTS:
        given = record.get(name)
        if found := _result(mapping(given) or mapping(_unwrapped(given))) or outputs.read_files(given):
            return found
    for name in _CARRIED:
        if found := outputs.read_files(record.get(name)):
            return found
    return outputs.read(record.get(_RESULTS[0]))  # no files, but possibly text


def _result(result: dict[str, object]) -> tuple[Output, ...]:
    """Read an object of results. Only where all names are missing that documents have, whatever is there is one."""
    files = next((files for name in _URLS if (files := outputs.read_files(result.get(name)))), ())
    written = outputs.read({"content": given}) if (given := mapping(result.get("resultObject"))) else ()
    named = any(result.get(name) for name in (*_URLS, "resultObject"))
    return (*files, *written) if named else outputs.read_files(result)


def _unwrapped(value: object) -> object:
    """Undo a second escaping: JSON of a string of JSON."""
    try:
        return load(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _fault(record: dict[str, object]) -> Fault:
    code = next((record[name] for name in ("failCode", "errorCode") if text(record.get(name)).strip()), None)
    reasons = (short(text(record.get(name))) for name in ("failMsg", "errorMessage", "failReason", "error", "message"))
    known = integer(code)
    return Fault(
        code=known if known is not None else short(text(code)) or None,
        message=next(filter(None, reasons), "Apikley gave no reason."),
    )


def _cost(record: dict[str, object]) -> Cost | None:
    for name in ("creditsConsumed", "consumeCredits"):  # the second is how older records spell it
        amount = number(record.get(name))
        if amount is not None and amount >= 0:
            return Cost(amount=amount, unit="credits")
    return None
