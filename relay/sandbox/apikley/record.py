"""Show a job as recordInfo does."""

from typing import Final

import orjson

from relay.sandbox.apikley.jobs import Job
from relay.sandbox.switches.values import Refusal

_CREDITS_PER_IMAGE: Final = 5.0
_FAILURE: Final = Refusal(code=500, message="Internal Error, Please try again later.")


def record(job: Job, *, id_name: str = "taskId") -> dict[str, object]:
    """Return the record of a job. `id_name` is the name of its id, which differs in some callbacks."""
    faults, is_kie = job.faults, job.faults.spelling == "kie"
    absent = None if is_kie else ""
    param = orjson.dumps(job.body).decode()
    fields: dict[str, object] = {
        id_name: job.id,
        "model": job.body.get("model"),
        "state": job.state,
        "param": orjson.dumps(param).decode() if faults.param_twice else param,
        "resultJson": _result(job) if job.state == "success" else absent,
        "failCode": absent,
        "failMsg": absent,
        "completeTime": None if job.ended_at is None else _ms(job.ended_at),
        "createTime": _ms(job.created_at),
        "updateTime": _ms(job.changed_at),
    }
    cost_time = faults.cost_time or ("ms" if is_kie else "none")
    if cost_time != "none":
        fields["costTime"] = _duration(job, cost_time)
    price = faults.credits or ("creditsConsumed" if is_kie else "none")
    if price != "none" and job.ended_at is not None:
        fields[price] = _CREDITS_PER_IMAGE * job.images if job.state == "success" else 0
    if job.state == "fail":
        failure = faults.fail or _FAILURE
        fields |= {"failCode": str(failure.code), "failMsg": failure.message}
    if job.state == "generating" and faults.job_progress:
        fields["progress"] = job.percent
    return fields


def _result(job: Job) -> str | None:
    match job.faults.result:
        case "urls":
            return orjson.dumps({"resultUrls": job.result_urls()}).decode()
        case "object":
            return orjson.dumps({"resultObject": {"text": "An answer."}}).decode()
        case "null":
            return None


def _duration(job: Job, unit: str) -> int | None:
    if job.ended_at is None:
        return None
    elapsed_s = job.ended_at - job.created_at
    return round(elapsed_s) if unit == "s" else round(elapsed_s * 1000)


def _ms(at: float) -> int:
    return round(at * 1000)
