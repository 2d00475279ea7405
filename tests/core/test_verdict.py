"""The verdict where the upstream spells out how a task ended."""

import pytest

from relay.core.events import Cost, Fault, Output
from relay.core.signals import EndSeen, Record
from relay.core.verdict import judge

PICTURE = Output(content_type="image/png", url="https://cdn.example/0.png")


@pytest.mark.parametrize(
    ("cost", "billed"),
    [(Cost(amount=5, unit="credits"), True), (Cost(amount=0, unit="credits"), False), (None, None)],
    ids=["a price", "no price", "unknown"],
)
def test_a_success_in_so_many_words_needs_no_inference(cost: Cost | None, billed: bool | None) -> None:
    """Neither an exit code nor a frame is asked for; whether it is billed is what its price says."""
    record = Record(phase="succeeded", status="success", outputs=(PICTURE,), cost=cost, elapsed_s=7.5)

    done = judge(record, None, record.outputs)

    assert done is not None
    assert (done.verdict, done.inferred, done.exit_code, done.error) == ("succeeded", False, None, None)
    assert (done.cost, done.billed, done.elapsed_s) == (cost, billed, 7.5)
    assert done.evidence == ("record: status success", "outputs: 1")


def test_a_failure_in_so_many_words_keeps_its_reason() -> None:
    """Code and words are the upstream's own; outputs seen before make it no success, nor does a frame."""
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
