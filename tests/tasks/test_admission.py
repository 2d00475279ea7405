"""The queue for a provider's capacity, and the limits that all its tasks share."""

import asyncio

import pytest

from relay.errors import Code, RequestError
from relay.tasks.admission import CONNECTIONS, Admission, Queue


def queue_of(*tasks: str, limit: int = 10) -> Queue:
    queue = Queue(limit)
    for task in tasks:
        queue.join(task)
    return queue


async def test_positions_count_from_one_in_the_order_of_arrival() -> None:
    """Joining again keeps the position."""
    queue = queue_of("a", "b", "c", "a")
    assert [await queue.position(task) for task in ("a", "b", "c")] == [1, 2, 3]
    assert await queue.position("unknown") == 4
    assert repr(queue) == "<Queue 3 of 10>"


async def test_a_full_queue_rejects_requests() -> None:
    """The message has the limit."""
    await queue_of("a", limit=2).check_room()
    with pytest.raises(RequestError, match="2 tasks are queued already") as caught:
        await queue_of("a", "b", limit=2).check_room()
    assert caught.value.code is Code.RATE_LIMITED


async def test_those_behind_a_task_that_leaves_move_up_and_wake() -> None:
    """Leaving is idempotent."""
    queue = queue_of("a", "b", "c")
    queue.leave("a")
    queue.leave("a")
    async with asyncio.timeout(10):
        await queue.wait("b", 60)
        await queue.wait("c", 60)
    assert [await queue.position(task) for task in ("b", "c")] == [1, 2]


async def test_free_capacity_wakes_only_the_first_task() -> None:
    """An empty queue is fine, too."""
    queue = queue_of("a", "b")
    queue.wake_first()
    async with asyncio.timeout(10):
        await queue.wait("a", 60)
    await queue.wait("b", 0)
    assert not queue._woken["b"].is_set()
    queue_of().wake_first()


async def test_a_single_task_can_be_woken() -> None:
    """A task that is not queued is ignored."""
    queue = queue_of("a", "b")
    queue.wake("b")
    queue.wake("unknown")
    async with asyncio.timeout(10):
        await queue.wait("b", 60)
    assert not queue._woken["b"].is_set()


async def test_only_so_many_streams_are_opened_at_once() -> None:
    """The file descriptors of those that are being opened are counted."""
    asked: list[int] = []

    def may_stream(opening: int) -> bool:
        asked.append(opening)
        return opening < 2

    admission = Admission(Queue(10), may_stream)
    async with admission.opening() as first, admission.opening() as second, admission.opening() as third:
        assert (first, second, third) == (True, True, False)
    async with admission.opening() as again:
        assert again
    assert asked == [0, 1, 2, 0]
    assert admission.connecting._value == CONNECTIONS


async def test_a_run_counts_as_being_sent_until_its_answer_is_committed() -> None:
    """Searches that wait for the answer go on."""
    admission = Admission(Queue(10))
    with admission.sending():
        (sent,) = admission.being_sent()
        assert not sent.done()
    assert sent.done()
    assert admission.being_sent() == set()
