"""Reading the platform's record: one read at a time, no sooner than due, attributed to what caused it."""

import asyncio

from relay.core.events import Source
from relay.core.signals import RecordRead, RecordUnreadable, Signal, StreamLost
from relay.errors import UpstreamUnavailable
from relay.tasks.record_reader import RecordReader
from tests.tasks.fakes import UPSTREAM, Bench, bench


def reader_of(one: Bench) -> tuple[RecordReader, asyncio.Queue[Signal]]:
    inbox: asyncio.Queue[Signal] = asyncio.Queue()
    return RecordReader(one.context, inbox), inbox


async def test_a_read_starts_when_it_is_due() -> None:
    """And no second one until its result has been committed."""
    one = await bench()
    reader, inbox = reader_of(one)
    async with asyncio.TaskGroup() as group:
        reader.start_if_due(UPSTREAM, None, group)
        reader.start_if_due(UPSTREAM, 1001.0, group)
        assert reader.due_at(1001.0) == 1001.0
        one.clock.now += 1.0
        reader.start_if_due(UPSTREAM, 1001.0, group)
        reader.start_if_due(UPSTREAM, 1001.0, group)
        assert reader.due_at(1001.0) is None
        signal = await inbox.get()
    assert signal == RecordRead(record=None, source=Source.RECONCILED, asked_at=1001.0)
    reader.committed([StreamLost()])
    assert reader.due_at(1001.0) is None
    reader.committed([signal])
    assert reader.due_at(1001.0) == 1001.0
    assert one.provider.reads == 1


async def test_a_read_says_what_caused_it() -> None:
    """A callback, or a poll where the provider has no stream."""
    one = await bench()
    one.provider.streams = False
    reader, inbox = reader_of(one)
    reader.called_back()
    sources = []
    for _ in range(2):
        async with asyncio.TaskGroup() as group:
            reader.start_if_due(UPSTREAM, 0.0, group)
            signal = await inbox.get()
        assert isinstance(signal, RecordRead)
        sources.append(signal.source)
        reader.committed([signal])
    assert sources == [Source.CALLBACK, Source.POLLED]


async def test_a_failed_read_is_followed_by_a_pause() -> None:
    """For as long as the platform asked for, at least."""
    one = await bench()
    one.provider.records = [UpstreamUnavailable("no connection", retry_after_s=7.0), None]
    reader, inbox = reader_of(one)
    async with asyncio.TaskGroup() as group:
        reader.start_if_due(UPSTREAM, 1000.0, group)
        failed = await inbox.get()
    assert failed == RecordUnreadable(why="no connection")
    reader.committed([failed])
    due_at = reader.due_at(1000.0)
    assert due_at is not None
    assert due_at >= 1007.0


async def test_a_read_can_be_cancelled() -> None:
    """Without one, nothing happens."""
    one = await bench()
    reader, inbox = reader_of(one)
    reader.cancel()
    async with asyncio.TaskGroup() as group:
        reader.start_if_due(UPSTREAM, 1000.0, group)
        reader.cancel()
    assert inbox.empty()
