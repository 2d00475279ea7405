"""The verdict according to the record and the frame. What leads to it is tested in test_lifecycle.py."""

import pytest

from relay.core.events import Cost, Fault, Output
from relay.core.signals import EndSeen, Record
from relay.core.verdict import STDERR_CHARS, judge

PICTURE = Output(content_type="image/png", url="https://cdn.example/0.png")


@pytest.mark.parametrize(
    ("cost", "billed"),
    [(Cost(amount=5, unit="credits"), True), (Cost(amount=0, unit="credits"), False), (None, None)],
    ids=["a price", "no price", "unknown"],
)
def test_a_stated_success_is_not_inferred(cost: Cost | None, billed: bool | None) -> None:
    """Neither an exit code nor a frame is needed. Whether it is billed depends on its price."""
    record = Record(phase="succeeded", status="success", outputs=(PICTURE,), cost=cost, elapsed_s=7.5)

    done = judge(record, None, record.outputs)

    assert done is not None
    assert (done.verdict, done.inferred, done.exit_code, done.error) == ("succeeded", False, None, None)
    assert (done.cost, done.billed, done.elapsed_s) == (cost, billed, 7.5)
    assert done.evidence == ("record: status success", "outputs: 1")


def test_a_stated_failure_keeps_its_reason() -> None:
    """Code and text are the platform's. Neither outputs nor a frame make it a success."""
    record = Record(phase="failed", status="fail", fault=Fault(code=501, message="The prompt was refused"))

    done = judge(record, EndSeen(how="finished", success=True), (PICTURE,))

    assert done is not None
    assert (done.verdict, done.inferred, done.error) == ("failed", False, record.fault)
    assert done.evidence == ("record: status fail", "record: code 501")


def test_a_failure_without_a_reason_says_that() -> None:
    """There is always a sentence to show."""
    done = judge(Record(phase="failed", status="fail"), None, ())

    assert done is not None
    assert done.error == Fault(code=None, message="The platform gave no reason.")


@pytest.mark.parametrize(
    ("end", "verdict"),
    [
        (EndSeen(how="finished", exit_code=0), "succeeded"),
        (EndSeen(how="finished", exit_code=0, success=False), "succeeded"),
        (EndSeen(how="finished", success=True), "succeeded"),
        (EndSeen(how="finished", exit_code=3), "failed"),
        (EndSeen(how="finished", success=False), "failed"),
    ],
)
def test_a_record_without_an_exit_code_leaves_it_to_the_frame(end: EndSeen, verdict: str) -> None:
    """The exit code counts more than the flag, and outputs count nothing beside either."""
    done = judge(Record(phase="finished", status="task_postprocess_end"), end, (PICTURE,))

    assert done is not None
    assert (done.verdict, done.inferred, done.exit_code) == (verdict, False, end.exit_code)
    assert done.evidence[-1] == f"frame: success {end.success}, exit code {end.exit_code}"


@pytest.mark.parametrize(
    ("end", "error"), [(1, "The model exited with code 1."), (None, "The model produced no output.")]
)
def test_a_failed_model_is_quoted_or_described(end: int | None, error: str) -> None:
    """The end of stderr is the error; without one, what is known."""
    silent = judge(Record(phase="finished", status="x", exit_code=end), None, ())
    assert silent is not None
    assert silent.error == Fault(code=end, message=error)
    loud = judge(Record(phase="finished", status="x", exit_code=end, stderr="x" * STDERR_CHARS + "boom\n"), None, ())
    assert loud is not None
    assert loud.error == Fault(code=end, message="x" * (STDERR_CHARS - 4) + "boom")
