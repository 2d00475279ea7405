"""The live stream of a task is kept open, and every loss is reported."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest

from relay.core.events import Stage
from relay.core.signals import Signal, StageSeen, StreamLost, StreamOpened
from relay.errors import UpstreamUnavailable
from relay.tasks import stream
from relay.tasks.admission import Admission, Queue
from relay.tasks.context import TaskContext
from tests.tasks.fakes import UPSTREAM, bench

STARTED = StageSeen(stage=Stage.START)


@asynccontextmanager
async def listening(context: TaskContext) -> AsyncIterator[asyncio.Queue[Signal]]:
    inbox: asyncio.Queue[Signal] = asyncio.Queue(1)
    listener = asyncio.create_task(stream.listen(context, UPSTREAM, inbox))
    try:
        async with asyncio.timeout(10):
            yield inbox
    finally:
        listener.cancel()
        with suppress(asyncio.CancelledError):
            await listener


@pytest.fixture(autouse=True)
def failures(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of failures in a row before each reconnect, which comes at once."""
    counted: list[int] = []

    def full_jitter(failures: int) -> float:
        counted.append(failures)
        return 0.0

    monkeypatch.setattr(stream, "full_jitter", full_jitter)
    return counted


async def test_a_stream_that_closes_is_opened_again(failures: list[int]) -> None:
    """A signal resets the backoff, an empty stream does not."""
    one = await bench()
    one.provider.streams_opened = [UpstreamUnavailable("no connection"), (), (STARTED,), ()]
    async with listening(one.context) as inbox:
        signals = [await inbox.get() for _ in range(8)]
    opened, lost = StreamOpened(), StreamLost()
    assert signals == [lost, opened, lost, opened, STARTED, lost, opened, lost]
    assert failures[:3] == [1, 2, 1]


async def test_a_provider_without_streams_counts_as_lost() -> None:
    """The record is all there is."""
    one = await bench()
    one.provider.streams = False
    async with listening(one.context) as inbox:
        assert await inbox.get() == StreamLost()


async def test_without_a_free_file_descriptor_no_stream_is_opened() -> None:
    """The task is polled, and the stream tried again later."""
    one = await bench()
    async with listening(replace(one.context, admission=Admission(Queue(1), lambda _opening: False))) as inbox:
        assert [await inbox.get() for _ in range(2)] == [StreamLost(), StreamLost()]
