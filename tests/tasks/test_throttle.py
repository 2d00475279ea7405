"""A function that may be triggered at any rate is called at a limited one."""

import asyncio

from relay.tasks.throttle import Throttle


async def test_calls_beyond_the_burst_are_merged_into_one_later_call() -> None:
    """The last trigger is always followed by a call."""
    calls: list[float] = []
    called = asyncio.Event()

    def call() -> bool:
        calls.append(asyncio.get_running_loop().time())
        called.set()
        return True

    throttle = Throttle(call, at_once=2, every_s=0.05)
    for _ in range(100):
        throttle.trigger()
    assert (len(calls), throttle.pending) == (2, True)
    called.clear()
    async with asyncio.timeout(10):
        await called.wait()
    assert (len(calls), throttle.pending) == (3, False)


async def test_a_call_that_could_not_do_its_work_is_repeated() -> None:
    """Until it could."""
    results = [False, False, True]
    done = asyncio.Event()

    def call() -> bool:
        result = results.pop(0)
        if result:
            done.set()
        return result

    throttle = Throttle(call, at_once=5, every_s=0.01)
    throttle.trigger()
    assert throttle.pending
    async with asyncio.timeout(10):
        await done.wait()
    assert (results, throttle.pending) == ([], False)


async def test_closing_cancels_a_later_call() -> None:
    """Closing without one does nothing."""
    calls: list[int] = []

    def call() -> bool:
        calls.append(1)
        return False

    throttle = Throttle(call, at_once=1, every_s=0.01)
    throttle.close()
    throttle.trigger()
    throttle.close()
    await asyncio.sleep(0.05)
    assert calls == [1]
