"""
Task/Detail: the arithmetic of times and costs.

`record` and `timestamps` are tested here too.
"""

import pytest

from relay.sandbox.switches.faults import Faults
from relay.sandbox.wiro import catalogue
from relay.sandbox.wiro.detail import detail
from relay.sandbox.wiro.record import Identity, Record
from relay.sandbox.wiro.steps import Log, Step


def identity(**switches: str) -> Identity:
    model = catalogue.find("bytedance", "text-to-image-seedream-v3")
    assert model is not None
    return Identity(
        id="2221",
        token="aToken",
        folder="aFolder",
        index=1,
        model=model,
        parameters={"prompt": "a cat"},
        callback_url="",
        prompt="a cat",
        images=1,
        size=(64, 64),
        dialect="gen1",
        faults=Faults().with_switches(switches),
        cdn_url="http://127.0.0.1/cdn",
    )


def ended(exit_code: int) -> Record:
    """Return a record with the times of the documented sample: accept ...807, start ...809, end ...813."""
    clock = {"createtime": 1734513807, "accepttime": 1734513807, "starttime": 1734513809, "endtime": 1734513813}
    return Record(status="task_postprocess_end", times=clock, exit_code=exit_code)


def test_the_cost_is_the_time_from_accept_to_end() -> None:
    """The numbers of the documented sample: six seconds at 0.000585 per second."""
    entry = detail(identity(), ended(0))

    assert (entry["elapsedseconds"], entry["cps"]) == ("6.0000", "0.000585000000")
    assert entry["totalcost"] == "0.003510000000"


def test_a_failed_task_costs_nothing() -> None:
    """It has a duration but no cost."""
    entry = detail(identity(), ended(1))

    assert (entry["elapsedseconds"], entry["totalcost"]) == ("6.0000", "0")


@pytest.mark.parametrize(
    ("kind", "start"), [("s", "1734513809"), ("ms", "1734513809000"), ("date", "2024-12-18 09:23:29")]
)
def test_times_have_three_formats(kind: str, start: str) -> None:
    """In all of them, a stage that is not reached is "0"."""
    entry = detail(identity(timestamps=kind), ended(0))

    assert (entry["starttime"], entry["canceltime"]) == (start, "0")


def test_only_a_task_that_ran_has_an_end_time() -> None:
    """This tells a killed task from a canceled one."""
    step = Step(at_s=0, type="task_cancel", status="task_cancel")
    waiting = Record(status="task_queue", times={"createtime": 1.0}).after(step, 5.0, 0)
    running = Record(status="task_start", times={"createtime": 1.0, "starttime": 2.0}).after(step, 5.0, 0)

    assert ("endtime" in waiting.times, "endtime" in running.times) == (False, True)
    assert waiting.exit_code is running.exit_code is None


def test_a_step_that_is_not_recorded_changes_nothing() -> None:
    """A duplicate frame does not change the record."""
    record = ended(0)
    step = Step(at_s=0, type="task_output", status="task_output", body=Log(text="again\n"), recorded=False)

    assert record.after(step, 9.0, 0) is record
