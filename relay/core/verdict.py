"""
The verdict: how a task ended according to its record and its terminal frame, with the evidence.

The first rule that matches decides. Neither Wiro's `task_end` nor text on stderr decides anything.

| record | verdict |
| --- | --- |
| finished, exit code 0 | succeeded |
| finished, exit code not 0 | failed |
| finished, no exit code, terminal frame with an exit code or a success flag | that of the frame |
| finished, no exit code, with outputs | succeeded, inferred |
| finished, no exit code, without outputs | failed, inferred; only after the record was read again |
| canceled, or with a time of cancellation | canceled |
| succeeded | succeeded |
| failed | failed, with the reason in the record |
| anything else or no record, long after a terminal frame | inferred from the frame |
"""

from typing import Literal

from relay.core.events import Done, Fault, Output, Stage
from relay.core.signals import EndSeen, Record

NO_SUCCESS = "The task ended without reporting success or outputs."

STDERR_CHARS = 500
"""How many characters of the end of stderr are quoted in the error of a failed task."""


def judge(record: Record, end: EndSeen | None, outputs: tuple[Output, ...]) -> Done | None:
    """
    Return the verdict according to the record, or null if the task has not ended.

    A failure that is `inferred` should be confirmed by reading the record again.

    Args:
        record: the platform's record.
        end: the terminal frame, if there was one.
        outputs: all results known so far, from both.
    """
    if record.phase == "finished":
        return _finished(record, end, outputs)
    if record.phase == "canceled" or record.cancel_at is not None:
        started = Stage.START in record.stages
        how = "stopped while running" if started else "stopped before it started"
        return _done("canceled", record, (f"record: status {record.status}", how), billed=None if started else False)
    if record.phase in ("succeeded", "failed"):
        return _stated(record, outputs)
    return None


def infer(end: EndSeen, outputs: tuple[Output, ...], why: str) -> Done:
    """Return the verdict according to the terminal frame alone; `why` explains why no record decides."""
    evidence = (f"frame: the task {end.how}", why)
    if end.how == "canceled":
        return Done(verdict="canceled", inferred=True, evidence=evidence)
    succeeded = _reports_success(end) if _reports_outcome(end) else bool(outputs)
    return Done(
        verdict="succeeded" if succeeded else "failed",
        exit_code=end.exit_code,
        inferred=True,
        evidence=(*evidence, _count(outputs)),
        error=None if succeeded else Fault(code=end.exit_code, message=NO_SUCCESS),
    )


def _finished(record: Record, end: EndSeen | None, outputs: tuple[Output, ...]) -> Done:
    evidence: tuple[str, ...] = (f"record: status {record.status}",)
    if record.exit_code is not None:
        evidence = (*evidence, f"record: exit code {record.exit_code}")
        if record.exit_code == 0:
            return _done("succeeded", record, evidence, exit_code=0, billed=True)
        return _failed(record, evidence, exit_code=record.exit_code)
    evidence = (*evidence, "record: no exit code")
    if end is not None and _reports_outcome(end):
        code = end.exit_code
        evidence = (*evidence, f"frame: success {end.success}, exit code {code}")
        if _reports_success(end):
            return _done("succeeded", record, evidence, exit_code=code, billed=True)
        return _failed(record, evidence, exit_code=code)
    evidence = (*evidence, _count(outputs))
    if outputs:
        return _done("succeeded", record, evidence, inferred=True)
    return _failed(record, evidence, exit_code=None, inferred=True)


def _stated(record: Record, outputs: tuple[Output, ...]) -> Done:
    evidence: tuple[str, ...] = (f"record: status {record.status}",)
    billed = None if record.cost is None else record.cost.amount > 0
    if record.phase == "succeeded":
        return _done("succeeded", record, (*evidence, _count(outputs)), billed=billed)
    error = record.fault or Fault(code=None, message="The platform gave no reason.")
    if error.code is not None:
        evidence = (*evidence, f"record: code {error.code}")
    return _done("failed", record, evidence, billed=billed, error=error)


def _reports_outcome(end: EndSeen) -> bool:
    return end.success is not None or end.exit_code is not None


def _reports_success(end: EndSeen) -> bool:
    return end.exit_code == 0 if end.exit_code is not None else bool(end.success)


def _count(outputs: tuple[Output, ...]) -> str:
    return f"outputs: {len(outputs)}"


def _failed(record: Record, evidence: tuple[str, ...], *, exit_code: int | None, inferred: bool = False) -> Done:
    quoted = record.stderr.strip()[-STDERR_CHARS:]
    message = quoted or (f"The model exited with code {exit_code}." if exit_code else "The model produced no output.")
    return _done(
        "failed",
        record,
        evidence,
        exit_code=exit_code,
        billed=None if inferred else False,
        inferred=inferred,
        error=Fault(code=exit_code, message=message),
    )


def _done(
    verdict: Literal["succeeded", "failed", "canceled"],
    record: Record,
    evidence: tuple[str, ...],
    *,
    exit_code: int | None = None,
    billed: bool | None = None,
    inferred: bool = False,
    error: Fault | None = None,
) -> Done:
    return Done(
        verdict=verdict,
        exit_code=exit_code,
        cost=record.cost,
        elapsed_s=record.elapsed_s,
        billed=billed,
        inferred=inferred,
        evidence=evidence,
        warnings=record.warnings if verdict == "succeeded" else (),
        error=error,
    )
