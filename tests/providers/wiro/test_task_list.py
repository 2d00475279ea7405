"""Reading the part of Wiro's task list that covers a span of time."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.errors import Code, UpstreamRejected, UpstreamUnavailable
from relay.providers.wiro.task_list import PAGE_TASKS, SPAN_PAGES, TRIES, Task, read_span

T0 = 1_734_513_807


class Account:
    """A list that grows by `growth` tasks with each call, one task each second; task n was created at `T0 + n`."""

    def __init__(self, count: int, growth: int = 0) -> None:
        self.count = count
        self.growth = growth
        self.calls = 0

    async def page(self, number: int) -> Sequence[Task]:
        self.calls += 1
        newest = self.count - 1 - number * PAGE_TASKS
        listed = range(newest, max(-1, newest - PAGE_TASKS), -1)
        self.count += self.growth
        return [{"id": str(each), "createtime": str(T0 + each)} for each in listed]


@given(st.integers(1, 40_000), st.integers(0, 10), st.data())
async def test_a_run_of_any_age_is_found_in_few_calls(count: int, growth: int, data: st.DataObject) -> None:
    """However many tasks the account has started since, and while it starts more."""
    wanted = data.draw(st.integers(0, count - 1))
    account = Account(count, growth)

    tasks = await read_span(account.page, since=T0 + wanted - 100, until=T0 + wanted + 100)

    assert str(wanted) in [task["id"] for task in tasks]
    searching = 2 * math.log2(1 + account.count / PAGE_TASKS) + 3
    assert account.calls <= searching + (200 + growth * searching) / (PAGE_TASKS - growth) + 1


async def test_a_span_at_the_end_of_the_list_takes_one_call() -> None:
    """A run of a moment ago is on the first page."""
    account = Account(10_000)

    await read_span(account.page, since=T0 + 9_990, until=T0 + 10_010)

    assert account.calls == 1


async def test_a_long_span_is_read_up_to_its_bound() -> None:
    """One search does not read an account's whole history."""
    account = Account(100_000)

    await read_span(account.page, since=0, until=T0 + 200_000)

    assert account.calls == SPAN_PAGES


async def test_tasks_without_a_time_end_the_reading() -> None:
    """The list cannot be searched by what it does not say."""

    async def page(number: int) -> Sequence[Task]:
        assert number == 0
        return [{"id": str(each)} for each in range(PAGE_TASKS)]

    assert len(await read_span(page, since=T0, until=T0 + 1)) == PAGE_TASKS


async def test_a_call_that_fails_is_tried_again() -> None:
    """A search takes several calls, and must not fail with each that fails."""
    account, failures = Account(5_000), iter([True] * (TRIES - 1) + [False] + [True, False] * 50)

    async def page(number: int) -> Sequence[Task]:
        if next(failures):
            raise UpstreamUnavailable("Wiro cannot be reached.")
        return await account.page(number)

    tasks = await read_span(page, since=T0, until=T0 + 1)

    assert tasks[-1]["id"] == "0"


async def test_a_refusal_is_not_tried_again() -> None:
    """Wiro has understood the call: asking again at once gets the same answer, or makes a rate limit worse."""
    calls = 0

    async def page(number: int) -> Sequence[Task]:
        nonlocal calls
        calls += 1
        raise UpstreamRejected("Too many requests.", code=Code.RATE_LIMITED)

    with pytest.raises(UpstreamRejected):
        await read_span(page, since=T0, until=T0 + 1)
    assert calls == 1


async def test_a_platform_that_keeps_failing_fails_the_search() -> None:
    """The caller decides when to search again."""

    async def page(number: int) -> Sequence[Task]:
        raise UpstreamUnavailable("Wiro cannot be reached.")

    with pytest.raises(UpstreamUnavailable):
        await read_span(page, since=T0, until=T0 + 1)
