"""Work that outlives the request that started it."""

import asyncio

import pytest
from structlog.testing import capture_logs

from relay.errors import RelayError
from relay.tasks.background import Background


async def test_work_runs_to_its_end_when_its_caller_is_cancelled() -> None:
    """A client that closes its connection does not interrupt a start."""
    finish, done = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await finish.wait()
        done.set()

    async with Background() as background:
        caller = asyncio.create_task(background.run(work()))
        await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert repr(background) == "<Background tasks=1>"
        finish.set()
        async with asyncio.timeout(10):
            await done.wait()


async def test_leaving_cancels_the_work() -> None:
    """And waits until it has ended."""
    cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with Background() as background:
        background.start(work())
        await asyncio.sleep(0)
    assert cancelled.is_set()
    assert repr(background) == "<Background tasks=0>"


async def test_one_failure_does_not_end_other_work() -> None:
    """The caller gets the exception; those that are not meant for clients are logged as well."""

    async def fail(error: Exception) -> None:
        raise error

    async with Background() as background:
        other = background.start(asyncio.sleep(0.01, "result"))
        with capture_logs() as lines:
            for error in (RelayError("expected"), ZeroDivisionError("a bug")):
                with pytest.raises(type(error)):
                    await background.run(fail(error))
        assert await other == "result"
    assert [line["event"] for line in lines] == ["background.crashed"]
