"""
Parse Apikley's REST responses.

The envelope is `{code, msg | message, data}`, and `code` takes precedence over the HTTP status. An explicit refusal
raises `UpstreamRejected`. An ambiguous response raises `UpstreamUnclear`; its message names the problem and never
quotes the body.
"""

from dataclasses import dataclass, replace
from typing import Final

from relay.core.signals import Record
from relay.core.upstream import UpstreamTask
from relay.errors import UpstreamFault, UpstreamRejected, UpstreamUnclear
from relay.providers.apikley import states
from relay.providers.apikley.record import job_id, parse_job
from relay.providers.apikley.refusals import UNCLEAR, classify, is_unknown_job
from relay.providers.lenient_json import integer, load, mapping, short, text
from relay.providers.response import Response

_SUCCESS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class _Envelope:
    code: int
    message: str
    data: dict[str, object]


def parse_create(response: Response) -> UpstreamTask:
    """
    Parse the response to createTask.

    Raises:
        UpstreamRejected: Apikley refused the job.
        UpstreamUnclear: it is unknown whether a job was created.
    """
    envelope = _parse_envelope(response)
    job = job_id(envelope.data)
    if envelope.code != _SUCCESS:
        if job:
            fault = UpstreamFault(code=envelope.code, message=envelope.message)
            raise UpstreamUnclear(f"Apikley refused the call but returned a job, {job[:40]}.", fault=fault)
        raise _refusal(response, envelope)
    if not job:
        raise UpstreamUnclear(f"Apikley answered HTTP {response.status} without a job.")
    return UpstreamTask(upstream_id=job, socket_token=None)


def parse_record(response: Response) -> Record | None:
    """
    Parse the response to recordInfo; return null if Apikley has no record of the job, or none yet.

    Raises:
        UpstreamRejected: Apikley refused the call.
        UpstreamUnclear: the response is malformed.
    """
    envelope = _parse_envelope(response)
    if states.find(envelope.data):  # before the code: the record of a failed job may come with the code 501
        return replace(parse_job(envelope.data), dated_at=response.dated_at)
    if is_unknown_job(envelope.code, envelope.message) or (envelope.code == _SUCCESS and not envelope.data):
        return None
    if envelope.code != _SUCCESS:
        raise _refusal(response, envelope)
    raise UpstreamUnclear(f"Apikley answered HTTP {response.status} with a record that has no state.")


def confirm(response: Response) -> None:
    """
    Check that a call succeeded and ignore the rest of the response.

    Raises:
        UpstreamRejected: Apikley refused the call.
        UpstreamUnclear: the response is malformed.
    """
    envelope = _parse_envelope(response)
    if envelope.code != _SUCCESS:
        raise _refusal(response, envelope)


def _parse_envelope(response: Response) -> _Envelope:
    try:
        fields = load(response.body)
        problem = "with JSON that is not an object"
    except ValueError:
        fields, problem = None, response.problem
    if not isinstance(fields, dict):
        if response.status >= 400 and not _is_unclear(response.status):  # a proxy in front of Apikley refused the call
            raise classify(response.status, "", response.retry_after_s)
        raise UpstreamUnclear(
            f"Apikley answered HTTP {response.status} {problem}.", retry_after_s=response.retry_after_s
        )
    if 300 <= response.status < 400:
        raise UpstreamUnclear(f"Apikley answered HTTP {response.status}, a redirect: check APIKLEY_API_URL.")
    code = integer(fields.get("code"))
    if code is None or (code == _SUCCESS and response.status >= 400):
        code = response.status
    message = short(text(fields.get("msg")) or text(fields.get("message")))
    return _Envelope(code=code, message=message, data=mapping(fields.get("data")))


def _refusal(response: Response, envelope: _Envelope) -> UpstreamRejected | UpstreamUnclear:
    if not _is_unclear(envelope.code):
        return classify(envelope.code, envelope.message, response.retry_after_s)
    return UpstreamUnclear(
        f"Apikley answered with code {envelope.code}" + (f": {envelope.message}" if envelope.message else "."),
        fault=UpstreamFault(code=envelope.code, message=envelope.message),
        retry_after_s=response.retry_after_s,
    )


def _is_unclear(code: int) -> bool:
    return code in UNCLEAR or not 400 <= code < 600
