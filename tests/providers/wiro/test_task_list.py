"""Reading the part of Wiro's task list that covers a span of time."""

import asyncio
import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.errors import Code, UpstreamRejected, UpstreamUnavailable
from relay.providers.wiro.task_list import PAGE_TASKS, SPAN_PAGES, TRIES, Span, Task, TaskList, read_span

T0 = 1_734_513_807


class Account:
    """A list that grows by `growth` tasks with each call, one task each second; task n was created at `T0 + n`."""

    def __init__(self, count: int, growth: int = 0) -> None:
        self.count = count
        self.growth = growth
        self.calls = 0

    async def page(self, number: int) -> Sequence[Task]:
        self.calls += 1
        await asyncio.sleep(0)  # as a real call, it lets others run
        newest = self.count - 1 - number * PAGE_TASKS
        listed = range(newest, max(-1, newest - PAGE_TASKS), -1)
        self.count += self.growth
        return [{"id": str(each), "createtime": str(T0 + each)} for each in listed]


@given(st.integers(1, 40_000), st.integers(0, 10), st.data())
async def test_a_run_of_any_age_is_found_in_few_calls(count: int, growth: int, data: st.DataObject) -> None:
    """However many tasks the account has started since, and while it starts more."""
    wanted = data.draw(st.integers(0, count - 1))
    account = Account(count, growth)

    tasks, _ = await read_span(account.page, Span(T0 + wanted - 100, T0 + wanted + 100))

    assert str(wanted) in [task["id"] for task in tasks]
    searching = 2 * math.log2(1 + account.count / PAGE_TASKS) + 4
    assert account.calls <= searching + (200 + growth * searching) / (PAGE_TASKS - growth) + 1


async def test_a_span_at_the_end_of_the_list_takes_one_call() -> None:
    """A run of a moment ago is on the first page."""
    account = Account(10_000)

    await read_span(account.page, Span(T0 + 9_990, T0 + 10_010))

    assert account.calls == 1


async def test_a_long_span_is_read_up_to_its_bound() -> None:
    """One search does not read an account's whole history."""
    account = Account(100_000)

    await read_span(account.page, Span(0, T0 + 200_000))

    assert account.calls == SPAN_PAGES


async def test_tasks_without_a_time_end_the_reading() -> None:
    """The list cannot be searched by what it does not say."""

    async def page(number: int) -> Sequence[Task]:
        assert number == 0
        return [{"id": str(each)} for each in range(PAGE_TASKS)]

    assert len((await read_span(page, Span(T0, T0 + 1)))[0]) == PAGE_TASKS


async def test_a_call_that_fails_is_tried_again() -> None:
    """A search takes several calls, and must not fail with each that fails."""
    account, failures = Account(5_000), iter([True] * (TRIES - 1) + [False] + [True, False] * 50)

    async def page(number: int) -> Sequence[Task]:
        if next(failures):
            raise UpstreamUnavailable("Wiro cannot be reached.")
        return await account.page(number)

    tasks, _ = await read_span(page, Span(T0, T0 + 1))

    assert tasks[-1]["id"] == "0"


async def test_a_refusal_is_not_tried_again() -> None:
    """Wiro has understood the call: asking again at once gets the same answer, or makes a rate limit worse."""
    calls = 0

    async def page(number: int) -> Sequence[Task]:
        nonlocal calls
        calls += 1
        raise UpstreamRejected("Too many requests.", code=Code.RATE_LIMITED)

    with pytest.raises(UpstreamRejected):
        await read_span(page, Span(T0, T0 + 1))
    assert calls == 1


async def test_a_platform_that_keeps_failing_fails_the_search() -> None:
    """The caller decides when to search again."""

    async def page(number: int) -> Sequence[Task]:
        raise UpstreamUnavailable("Wiro cannot be reached.")

    with pytest.raises(UpstreamUnavailable):
        await read_span(page, Span(T0, T0 + 1))


async def test_searches_that_wait_share_one_reading() -> None:
    """After an outage many runs are searched at once, mostly in the same pages."""
    account = Account(5_000)
    task_list = TaskList(account.page)

    found = await asyncio.gather(*(task_list.tasks(Span(T0 + each, T0 + each + 10)) for each in range(4_500, 5_000)))

    assert all(
        str(each) in {task["id"] for task in tasks} for each, tasks in zip(range(4_500, 5_000), found, strict=True)
    )
    assert account.calls < 40


async def test_a_search_never_gets_a_reading_that_began_before_it() -> None:
    """The run may have entered the list since."""
    account = Account(100)
    entered, may_go_on = asyncio.Event(), asyncio.Event()

    async def page(number: int) -> Sequence[Task]:
        listed = await account.page(number)
        entered.set()
        await may_go_on.wait()
        return listed

    task_list = TaskList(page)
    first = asyncio.create_task(task_list.tasks(Span(T0, T0 + 1_000)))
    await entered.wait()
    account.count += 1
    second = asyncio.create_task(task_list.tasks(Span(T0, T0 + 1_000)))
    await asyncio.sleep(0)
    may_go_on.set()

    await first
    assert "100" in {task["id"] for task in await second}


async def test_a_span_that_a_shared_reading_does_not_reach_is_read_alone() -> None:
    """The union of all spans may be longer than one reading may be. The search that it does reach shares it."""
    account = Account(100_000)
    task_list = TaskList(account.page)
    calls: list[int] = []

    async def search(number: int) -> set[object]:
        found = {task["id"] for task in await task_list.tasks(Span(T0 + number - 5, T0 + number + 5))}
        calls.append(account.calls)
        return found

    # The first search is alone; the other two wait for it, and then one reads for both.
    _, old, new = await asyncio.gather(search(50_000), search(500), search(99_900))

    assert "500" in old
    assert "99900" in new
    assert calls[1] > calls[0] + SPAN_PAGES
    assert calls[2] == calls[1]


async def test_a_failed_reading_is_not_shared() -> None:
    """The next caller reads for itself."""
    account, fails = Account(100), True

    async def page(number: int) -> Sequence[Task]:
        if fails:
            raise UpstreamUnavailable("Wiro cannot be reached.")
        return await account.page(number)

    task_list = TaskList(page)
    with pytest.raises(UpstreamUnavailable):
        await task_list.tasks(Span(T0, T0 + 100))
    fails = False

    assert len(await task_list.tasks(Span(T0, T0 + 100))) == 100
