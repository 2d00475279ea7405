"""What is usual for an input: its own runs, or those of other inputs, scaled."""

import pytest

from relay.core.history.distribution import bucket_of
from relay.core.history.histograms import Histograms
from relay.core.history.input_class import input_class
from relay.core.history.tally import Counter, Tally, merged
from relay.core.history.usual import CLASSES, ModelHistory

TODAY = 20_000


def run(ran_s: float, *, n: int = 1, queued_s: float = 1.0, day: int = TODAY, cost: float = 0.5) -> Tally:
    counter = Counter()
    counter.increase("verdict:succeeded", 1)
    counter.add("running", ran_s)
    counter.add("queued", queued_s + ran_s)
    counter.add("usd", cost)
    return Tally(provider="p", model="m", inputs=f"n={n}", day=day, counts=counter.counts)


def history(*runs: Tally) -> ModelHistory:
    return ModelHistory(TODAY, runs)


def p50(found: ModelHistory, measure: str, n: int) -> float:
    known = found.usual(input_class({"n": n})).get(measure)
    assert known is not None
    middle = known.quantile(0.5)
    assert middle is not None
    return middle


def test_nothing_is_known_of_too_few_runs() -> None:
    """Two runs are no rule."""
    assert history(run(5), run(5)).usual(input_class({"n": 1})).run() is None
    assert history().run() is None


def test_runs_of_the_same_input_count_alone_if_there_are_enough() -> None:
    """Others are not mixed in."""
    found = history(*[run(5)] * 5, *[run(100, n=2)] * 50)
    assert p50(found, "running", 1) == pytest.approx(5, rel=0.02)


def test_other_runs_are_scaled_by_the_number_of_units() -> None:
    """The work grows, the wait before it does not; the cost does."""
    found = history(*[run(10, queued_s=10)] * 10)
    assert p50(found, "running", 4) == pytest.approx(40, rel=0.03)
    assert p50(found, "queued", 4) == pytest.approx(50, rel=0.03)
    usual = found.usual(input_class({"n": 4})).run()
    assert usual is not None
    assert usual.cost is not None
    assert usual.cost.p50 == pytest.approx(2.0, rel=0.03)


def test_how_the_time_grows_is_learned() -> None:
    """A model that takes as long for ten as for one is not expected to take longer for a hundred."""
    found = history(*[run(10)] * 10, *[run(10, n=10)] * 10)
    assert p50(found, "running", 100) == pytest.approx(10, rel=0.03)


def test_old_runs_weigh_less() -> None:
    """A platform that has become faster is believed."""
    found = history(*[run(100, day=TODAY - 60)] * 20, *[run(10)] * 10)
    assert p50(found, "running", 1) == pytest.approx(10, rel=0.03)


def test_a_run_is_added_at_once_while_there_are_few() -> None:
    """The third run is enough for an estimate."""
    found = history(run(5), run(5))
    assert found.usual(input_class({"n": 1})).get("running") is None
    found.add(run(5))
    assert p50(found, "running", 1) == pytest.approx(5, rel=0.02)


def test_one_run_of_many_changes_nothing_yet() -> None:
    """The histograms of an input are made again once 2 % of the runs are new."""
    found = history(*[run(5)] * 99)
    before = found.usual(input_class({"n": 1}))
    found.add(run(5))
    assert found.usual(input_class({"n": 1})) is before
    found.add(run(5))
    assert found.usual(input_class({"n": 1})) is before
    found.add(run(5))
    assert found.usual(input_class({"n": 1})) is not before


def test_the_cost_is_in_the_unit_of_most_runs() -> None:
    """Of those with a cost, if there is any."""
    paid_in_credits = Tally(provider="p", model="m", inputs="n=1", day=TODAY, counts={"credits:0": 9.0})
    usual = history(*[run(5)] * 5, paid_in_credits).run()
    assert usual is not None
    assert usual.cost is not None
    assert usual.cost.unit == "credits"
    assert usual.cost.p50 == pytest.approx(1, rel=0.02)
    free = history(Tally(provider="p", model="m", inputs="", day=TODAY, counts={"task:0": 9.0})).run()
    assert free is not None
    assert free.cost is None


def test_times_without_a_start_are_taken_to_be_work() -> None:
    """A platform that names no stages: all of the time grows with the number of units."""
    tally = Tally(provider="p", model="m", inputs="n=1", day=TODAY, counts={f"queued:{bucket_of(10)}": 9.0})
    assert p50(history(tally), "queued", 4) == pytest.approx(40, rel=0.03)


def test_a_history_is_replaced_by_another_one() -> None:
    """With what was derived from the former one."""
    found = history(*[run(5)] * 5)
    assert p50(found, "running", 1) == pytest.approx(5, rel=0.02)
    found.replace(history(*[run(50)] * 5))
    assert p50(found, "running", 1) == pytest.approx(50, rel=0.02)


def test_a_model_with_too_many_classes_counts_by_numbers_only() -> None:
    """A free text field must not make a row of each run."""
    found = history(*[run(5, n=number) for number in range(CLASSES)])
    assert found.counted_as(input_class({"n": 1, "size": "7x7"})) == "n=1"
    assert found.counted_as(input_class({"n": 1})) == "n=1"


def test_tallies_are_added_up() -> None:
    """In any order."""
    one, other = run(5), run(7)
    assert merged(one, other).counts == merged(other, one).counts
    assert merged(one, one).counts["verdict:succeeded"] == 2


def test_only_histograms_have_quantiles() -> None:
    """Other counters are left out."""
    found = Histograms([{"verdict:succeeded": 3, "sum:usd": 0.5, "running:-7": 2}])
    assert found.get("verdict") is found.get("sum") is None
    running = found.get("running")
    assert running is not None
    assert running.samples == 2
