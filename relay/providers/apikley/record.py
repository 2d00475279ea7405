"""
Parse the record of a job, as recordInfo returns it. Pure.

Apikley resells kie.ai, so a record may have the field names of any kie.ai API.
Sources: https://docs.apikley.ru/get-task-detail and https://docs.kie.ai/market/common/get-task-detail.
"""

from types import MappingProxyType
from typing import Final

from relay.core.events import Cost, Fault, Output, Progress, Stage
from relay.core.signals import Record
from relay.providers import outputs
from relay.providers.apikley import states
from relay.providers.lenient_json import integer, load, mapping, moment, number, short, text

_STAGES: Final = {"waiting": Stage.QUEUE, "generating": Stage.START}

_RESULTS: Final = ("resultJson", "response", "resultInfoJson", "result", "results", "output", "outputs")
"""Fields of a record that contain its results. Apikley documents the first; kie.ai's Veo API uses the second."""

_URLS: Final = ("resultUrls", "resultUrl", "result_urls", "result_url")
"""Fields of a result that contain its files. Other fields may contain inputs, such as the first frame of a video."""

_FILES: Final = ("resultUrls", "result_urls", "resultUrl", "urls", "videoUrl", "imageUrl", "audioUrl", "url")
"""Fields of a record that contain URLs directly."""


def job_id(data: dict[str, object]) -> str:
    """Return the ID of the job that a response is about, or an empty string. The documents use both spellings."""
    return text(data.get("taskId")).strip() or text(data.get("task_id")).strip()


def parse_job(record: dict[str, object]) -> Record:
    """Return the record of a job. Fields that cannot be parsed are null or empty; an unknown state is open."""
    written = states.find(record)
    state = states.parse(written)
    phase = state if state in ("succeeded", "failed", "canceled") else None
    created_at, ended_at = moment(record.get("createTime")), moment(record.get("completeTime"))
    ended = phase is not None
    percent = number(record.get("progress"))
    return Record(
        phase=phase or "open",
        status=short(written)[:100],
        stage=_STAGES.get(state) if state is not None else None,
        upstream_id=job_id(record) or None,
        model=text(record.get("model")) or None,
        stages=MappingProxyType(_stages(record, state)),
        progress=Progress(percent=percent) if not ended and percent is not None and 0 <= percent <= 100 else None,
        fault=_fault(record) if phase == "failed" else None,
        outputs=_outputs(record) if phase == "succeeded" else (),
        ended_at=ended_at if ended else None,
        # Not `costTime`: some documents give it in milliseconds, others in seconds.
        elapsed_s=ended_at - created_at
        if phase is not None and created_at and ended_at and ended_at >= created_at
        else None,
        cost=_cost(record) if ended else None,
    )


def _stages(record: dict[str, object], state: states.State | None) -> dict[Stage, float]:
    """Derive the start of each stage from the three times of a record, which has no times of its stages."""
    created_at, changed_at = moment(record.get("createTime")), moment(record.get("updateTime"))
    ended_at = moment(record.get("completeTime"))
    stages = {}
    if created_at is not None:
        stages[Stage.QUEUE] = created_at
    if state == "generating" and changed_at is not None:
        stages[Stage.START] = changed_at
    if state == "succeeded" and ended_at is not None:
        stages[Stage.END] = stages[Stage.POSTPROCESS_END] = ended_at
    return stages


def _outputs(record: dict[str, object]) -> tuple[Output, ...]:
    """Return the results: URLs of files, or the object of a text model, in an object, a list or a string of JSON."""
    for name in _RESULTS:
        given = record.get(name)
        if found := _result(mapping(given) or mapping(_unwrapped(given))) or outputs.read_files(given):
            return found
    for name in _FILES:
        if found := outputs.read_files(record.get(name)):
            return found
    return outputs.read(record.get(_RESULTS[0]))  # no files, but possibly text


def _result(result: dict[str, object]) -> tuple[Output, ...]:
    """Return the outputs in an object of results. If it has none of the documented fields, any URL is an output."""
    files = next((files for name in _URLS if (files := outputs.read_files(result.get(name)))), ())
    answer = outputs.read({"content": given}) if (given := mapping(result.get("resultObject"))) else ()
    documented = any(result.get(name) for name in (*_URLS, "resultObject"))
    return (*files, *answer) if documented else outputs.read_files(result)


def _unwrapped(value: object) -> object:
    """Decode JSON that was encoded twice."""
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
    for name in ("creditsConsumed", "consumeCredits"):  # older records have the second
        amount = number(record.get(name))
        if amount is not None and amount >= 0:
            return Cost(amount=amount, unit="credits")
    return None
