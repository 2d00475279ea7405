"""Limits and charges (relay/core/spending.py), and the budget property on the journal in memory."""

import asyncio
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from relay.core.budgets import Budget, Budgets
from relay.core.events import Began, Cost, Done, Event, Source, State, Submit, Verdict
from relay.core.snapshot import Snapshot, begin, fold
from relay.core.spending import ALL, EVER, TAG, Limit, charge, spending_exceeds, starts_exceed, tasks_exceed
from relay.journal.base import StoredTask
from relay.journal.memory import MemoryJournal

LIMIT = 10.0
NOW = 20_000 * 86_400.0


def usd(amount: float) -> Cost:
    return Cost(amount=amount, unit="usd")


def submitted(task: str) -> Event:
    data = Submit(model="O/m", provider="wiro", tags=("u",))
    return Event(type="submit", task=task, seq=1, state=State.SUBMITTING, at=NOW, source=Source.RELAY, data=data)


def done(task: str, verdict: Verdict, cost: Cost | None, *, billed: bool | None = None) -> Event:
    data = Done(verdict=verdict, cost=cost, billed=billed)
    return Event(type="done", task=task, seq=2, state=State(verdict), at=NOW + 5, source=Source.LIVE, data=data)


def ended(verdict: Verdict, cost: Cost | None, *, billed: bool | None = None, sent: bool = True) -> Snapshot:
    state = fold(begin(submitted("t"), "e"), [done("t", verdict, cost, billed=billed)])
    return replace(state, upstream_id="u" if sent else None)


def test_a_limit_allows_as_much_as_it_says() -> None:
    running = Limit(account="tag:u", counted="running", most=2)
    assert [tasks_exceed(running, count) is None for count in (0, 1, 2, 3)] == [True, True, False, False]
    starts = Limit(account="tag:u", counted="starts", most=2)
    assert starts_exceed(starts, [NOW - 10, NOW - 3600], NOW) is None
    exceeded = starts_exceed(starts, [NOW - 10, NOW - 20, NOW - 30], NOW)
    assert exceeded is not None
    assert (exceeded.used, exceeded.until) == (3, NOW - 20 + 3600)
    spend = Limit(account=ALL, counted="usd", most=0.3)
    assert spending_exceeds(spend, 0.1, 0.1, usd(0.1)) is None, "sums of floating-point numbers are not exact"
    assert spending_exceeds(spend, 0.1, 0.1, usd(0.11)) is not None
    assert spending_exceeds(spend, 0.3, 0.0, None) is not None
    assert spending_exceeds(spend, 9.0, 0.0, Cost(amount=1, unit="credits")) is None


def test_an_unknown_cost_is_not_zero() -> None:
    """Without a cost, a task is free if the platform says so or was never called."""
    counts = [
        charge(state, "shop").counts  # type: ignore[union-attr]
        for state in (
            ended("succeeded", usd(0.5)),
            ended("succeeded", None),
            ended("failed", None, billed=False),
            ended("canceled", None, sent=False),
            ended("lost", None, sent=False),
        )
    ]
    assert [each.get("cost:usd") for each in counts] == [0.5, None, None, None, None]
    assert ["unknown_cost" in each for each in counts] == [False, True, False, False, True]
    assert charge(begin(submitted("t"), "e"), "") is None


def test_budgets_are_limits_of_the_key_and_of_all() -> None:
    day = Budget(period="day", most=5, unit="usd")
    budgets = Budgets(all=(Budget(period="total", most=9, unit="credits"),), by_key={"shop": (day,)})
    of_all = Limit(account=ALL, counted="credits", most=9)
    assert budgets.limits("", NOW) == budgets.limits("other", NOW) == (of_all,)
    assert budgets.limits("shop", NOW) == (Limit(account="key:shop", counted="usd", most=5, day=20_000), of_all)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("start"), st.floats(0, 4), st.floats(0, 6)),
        st.tuples(st.just("unknown"), st.just(0.0), st.floats(0, 6)),
        st.tuples(st.just("end"), st.integers(0, 5), st.sampled_from(["succeeded", "failed", "canceled", "lost"])),
        st.tuples(st.just("repeat"), st.integers(0, 5), st.just("")),
        st.tuples(st.just("delete"), st.booleans(), st.just("")),
    ),
    max_size=40,
)


@given(steps=STEPS)
@settings(max_examples=150)
def test_no_order_of_starts_and_ends_exceeds_a_budget_by_more_than_the_estimates_are_wrong(
    steps: list[tuple[str, float, object]],
) -> None:
    """And what was spent and is reserved is right afterwards, also when commits are repeated and tasks deleted."""
    asyncio.run(_follow(steps))


async def _follow(steps: list[tuple[str, float, object]]) -> None:
    journal, budget = MemoryJournal(), Limit(account=TAG + "u", counted="usd", most=LIMIT)
    await journal.open(lock=True)
    running: dict[str, tuple[float, float]] = {}
    over, spent, number, last = 0.0, 0.0, 0, None
    for step, first, second in steps:
        if step in ("start", "unknown"):
            number += 1
            task, estimate = f"t{number}", usd(first) if step == "start" else None
            before = spent + sum(reserved for reserved, _ in running.values())
            stored = StoredTask(
                id=task,
                provider="wiro",
                model="m",
                created_at=NOW,
                tags=("u",),
                input={},
                metadata={},
                estimate=estimate,
            )
            made = await journal.create(stored, submitted(task), limits=(budget,))
            fits = before < LIMIT - 1e-9 and before + first <= LIMIT + 1e-9
            assert (made.exceeded is None) == fits
            if made.exceeded is None:
                assert isinstance(second, float)
                running[task] = (first, second)
                assert before + first <= LIMIT + over + 1e-6
        elif step == "end" and running:
            task = sorted(running)[int(first) % len(running)]
            reserved, cost = running.pop(task)
            last = done(task, second, usd(cost))  # type: ignore[arg-type]
            state = replace(fold(begin(submitted(task), journal.epoch), [last]), upstream_id="u")
            await journal.append([last], snapshot=state, charge=charge(state, ""))
            spent, over = spent + cost, over + max(0.0, cost - reserved)
        elif step == "repeat" and last is not None:  # its answer was lost
            try:
                await journal.append([last], charge=charge(ended("succeeded", usd(9)), ""))
            except ValueError:
                pass
            else:
                raise AssertionError("a task is charged once")
        elif step == "delete":
            if first:
                await journal.prune(ended_before=NOW + 10, limit=10)
            else:
                await journal.deletions.delete([f"t{each}" for each in range(number + 1)], at=NOW, upstream=False)
    total = await journal.accounts.spent(TAG + "u", EVER, "usd")
    reserved = sum(reserved for reserved, _ in running.values())
    assert abs(total - spent) < 1e-6
    assert total + reserved <= LIMIT + over + 1e-6, "exceeded by the error of the estimates at most"
    probe = StoredTask(
        id="probe", provider="wiro", model="m", created_at=NOW, tags=("u",), input={}, metadata={}, estimate=usd(1e6)
    )
    exceeded = (await journal.create(probe, submitted("probe"), limits=(budget,))).exceeded
    assert exceeded is not None
    assert abs(exceeded.used - spent) + abs(exceeded.reserved - reserved) < 1e-6
    await journal.close()


def test_the_run_of_a_task_is_charged_from_its_start() -> None:
    """In seconds. A task that never started has not run."""
    began = Event(type="start", task="t", seq=2, state=State.RUNNING, at=NOW + 1, source=Source.LIVE, data=Began())
    end = replace(done("t", "succeeded", usd(1)), seq=3)
    ran = charge(fold(begin(submitted("t"), "e"), [began, end]), "shop")
    never_ran = charge(ended("failed", None), "shop")
    assert ran is not None
    assert ran.counts["run_s"] == 4.0
    assert never_ran is not None
    assert "run_s" not in never_ran.counts
