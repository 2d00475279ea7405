"""
The verdict: how a task ended, from what frames and the record say, and why we think so.

The rules, first match wins. `task_end` is not the end and stderr is not failure, so neither stands here.

| the record says | verdict |
| --- | --- |
| finished, exit code 0 | succeeded |
| finished, exit code not 0 | failed |
| finished, no exit code, but a gen-2 frame had one or said success | what the frame said |
| finished, no exit code, outputs there | succeeded, inferred |
| finished, no exit code, no outputs | failed, inferred; only after it was read again |
| canceled, or a time of cancelling | canceled |
| succeeded | succeeded |
| failed | failed, for the reason that it names |
| anything else, or nothing, long after a terminal frame | what the frame lets us infer |
"""

from typing import Literal

from relay.core.events import Done, Fault, Output, Stage
from relay.core.signals import EndSeen, Record

STDERR_SHOWN = 500
"""How much of the end of stderr a failed task's error repeats, in characters."""


def judge(record: Record, end: EndSeen | None, outputs: tuple[Output, ...]) -> Done | None:
    """
    Judge by the record, with the terminal frame beside it.

    Args:
        record: the upstream's record.
        end: the terminal frame, if one was seen.
        outputs: all results known so far, from either.

    Returns:
        The verdict, or null while the task has not ended for the upstream. It is `inferred` where the upstream did
        not spell it out: a failed one should then be read again before it is believed.
    """
    if record.phase == "finished":
        return _finished(record, end, outputs)
    if record.phase == "canceled" or record.cancel_at is not None:
        started = Stage.START in record.stages
        how = "it was killed while it ran" if started else "it had not started"
        return _done("canceled", record, (f"record: status {record.status}", how), billed=None if started else False)
    if record.phase in ("succeeded", "failed"):
        return _spelt_out(record, outputs)
    return None


def infer(end: EndSeen, outputs: tuple[Output, ...], why: str) -> Done:
    """Judge by the terminal frame alone, because the record never confirmed it; `why` says what was tried."""
    evidence = (f"frame: the task {end.how}", why)
    if end.how == "canceled":
        return Done(verdict="canceled", inferred=True, evidence=evidence)
    succeeded = _claims_success(end) if _claims(end) else bool(outputs)
    return Done(
        verdict="succeeded" if succeeded else "failed",
        exit_code=end.exit_code,
        inferred=True,
        evidence=(*evidence, _counted(outputs)),
        error=None if succeeded else Fault(code=end.exit_code, message="The task ended without success or outputs."),
    )


def _finished(record: Record, end: EndSeen | None, outputs: tuple[Output, ...]) -> Done:
    evidence: tuple[str, ...] = (f"record: status {record.status}",)
    if record.exit_code is not None:
        evidence = (*evidence, f"record: exit code {record.exit_code}")
        if record.exit_code == 0:
            return _done("succeeded", record, evidence, exit_code=0, billed=True)
        return _failed(record, evidence, exit_code=record.exit_code)
    evidence = (*evidence, "record: no exit code")
    if end is not None and _claims(end):
        code = end.exit_code
        evidence = (*evidence, f"frame: success {end.success}, exit code {code}")
        if _claims_success(end):
            return _done("succeeded", record, evidence, exit_code=code, billed=True)
        return _failed(record, evidence, exit_code=code)
    evidence = (*evidence, _counted(outputs))
    if outputs:
        return _done("succeeded", record, evidence, inferred=True)
    return _failed(record, evidence, exit_code=None, inferred=True)


def _spelt_out(record: Record, outputs: tuple[Output, ...]) -> Done:
    evidence: tuple[str, ...] = (f"record: status {record.status}",)
    billed = None if record.cost is None else record.cost.amount > 0
    if record.phase == "succeeded":
        return _done("succeeded", record, (*evidence, _counted(outputs)), billed=billed)
    error = record.fault or Fault(code=None, message="The upstream gave no reason.")
    if error.code is not None:
        evidence = (*evidence, f"record: code {error.code}")
    return _done("failed", record, evidence, billed=billed, error=error)


def _claims(end: EndSeen) -> bool:
    return end.success is not None or end.exit_code is not None


def _claims_success(end: EndSeen) -> bool:
    return end.exit_code == 0 if end.exit_code is not None else bool(end.success)


def _counted(outputs: tuple[Output, ...]) -> str:
    return f"outputs: {len(outputs)}"


def _failed(record: Record, evidence: tuple[str, ...], *, exit_code: int | None, inferred: bool = False) -> Done:
    said = record.stderr.strip()[-STDERR_SHOWN:]
    message = said or (f"The model ended with exit code {exit_code}." if exit_code else "The model gave no output.")
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
