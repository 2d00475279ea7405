"""
The verdict: how a task ended, from what frames and the detail say, and why we think so.

The rules, first match wins. `task_end` is not the end and stderr is not failure, so neither stands here.

| the detail says | verdict |
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
from relay.core.signals import Detail, EndSeen

STDERR_SHOWN = 500
"""How much of the end of stderr a failed task's error repeats, in characters."""


def judge(detail: Detail, end: EndSeen | None, outputs: tuple[Output, ...]) -> Done | None:
    """
    Judge by the detail, with the terminal frame beside it.

    Args:
        detail: the upstream's record.
        end: the terminal frame, if one was seen.
        outputs: all results known so far, from either.

    Returns:
        The verdict, or null while the task has not ended for the upstream. It is `inferred` where the upstream did
        not spell it out: a failed one should then be read again before it is believed.
    """
    if detail.phase == "finished":
        return _finished(detail, end, outputs)
    if detail.phase == "canceled" or detail.cancel_at is not None:
        started = Stage.START in detail.stages
        how = "it was killed while it ran" if started else "it had not started"
        return _done("canceled", detail, (f"detail: status {detail.status}", how), billed=None if started else False)
    if detail.phase in ("succeeded", "failed"):
        return _spelt_out(detail, outputs)
    return None


def infer(end: EndSeen, outputs: tuple[Output, ...], why: str) -> Done:
    """Judge by the terminal frame alone, because the detail never confirmed it; `why` says what was tried."""
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


def _finished(detail: Detail, end: EndSeen | None, outputs: tuple[Output, ...]) -> Done:
    evidence: tuple[str, ...] = (f"detail: status {detail.status}",)
    if detail.exit_code is not None:
        evidence = (*evidence, f"detail: exit code {detail.exit_code}")
        if detail.exit_code == 0:
            return _done("succeeded", detail, evidence, exit_code=0, billed=True)
        return _failed(detail, evidence, exit_code=detail.exit_code)
    evidence = (*evidence, "detail: no exit code")
    if end is not None and _claims(end):
        code = end.exit_code
        evidence = (*evidence, f"frame: success {end.success}, exit code {code}")
        if _claims_success(end):
            return _done("succeeded", detail, evidence, exit_code=code, billed=True)
        return _failed(detail, evidence, exit_code=code)
    evidence = (*evidence, _counted(outputs))
    if outputs:
        return _done("succeeded", detail, evidence, inferred=True)
    return _failed(detail, evidence, exit_code=None, inferred=True)


def _spelt_out(detail: Detail, outputs: tuple[Output, ...]) -> Done:
    evidence: tuple[str, ...] = (f"detail: status {detail.status}",)
    billed = None if detail.cost is None else detail.cost.amount > 0
    if detail.phase == "succeeded":
        return _done("succeeded", detail, (*evidence, _counted(outputs)), billed=billed)
    error = detail.fault or Fault(code=None, message="The upstream gave no reason.")
    if error.code is not None:
        evidence = (*evidence, f"detail: code {error.code}")
    return _done("failed", detail, evidence, billed=billed, error=error)


def _claims(end: EndSeen) -> bool:
    return end.success is not None or end.exit_code is not None


def _claims_success(end: EndSeen) -> bool:
    return end.exit_code == 0 if end.exit_code is not None else bool(end.success)


def _counted(outputs: tuple[Output, ...]) -> str:
    return f"outputs: {len(outputs)}"


def _failed(detail: Detail, evidence: tuple[str, ...], *, exit_code: int | None, inferred: bool = False) -> Done:
    said = detail.stderr.strip()[-STDERR_SHOWN:]
    message = said or (f"The model ended with exit code {exit_code}." if exit_code else "The model gave no output.")
    return _done(
        "failed",
        detail,
        evidence,
        exit_code=exit_code,
        billed=None if inferred else False,
        inferred=inferred,
        error=Fault(code=exit_code, message=message),
    )


def _done(
    verdict: Literal["succeeded", "failed", "canceled"],
    detail: Detail,
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
        cost=detail.cost,
        elapsed_s=detail.elapsed_s,
        billed=billed,
        inferred=inferred,
        evidence=evidence,
        warnings=detail.warnings if verdict == "succeeded" else (),
        error=error,
    )
