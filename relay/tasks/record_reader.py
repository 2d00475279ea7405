"""Reads the platform's record of one task when a check is due, with backoff while it cannot be read."""

import asyncio
from collections.abc import Sequence
from typing import Literal

from relay.backoff import full_jitter
from relay.core.events import Source
from relay.core.signals import RecordRead, RecordUnreadable, Signal
from relay.core.upstream import UpstreamTask
from relay.errors import UpstreamError
from relay.tasks.context import TaskContext


class RecordReader:
    """The reads of one task's record, one at a time. What is read goes to the inbox as a signal."""

    def __init__(self, context: TaskContext, inbox: asyncio.Queue[Signal]) -> None:
        self._context = context
        self._inbox = inbox
        self._reading: asyncio.Task[None] | None = None
        self._failures = 0
        self._not_before = 0.0
        self._called_back = False

    def called_back(self) -> None:
        """Note that the platform called back: the next read is attributed to that."""
        self._called_back = True

    def due_at(self, check_at: float | None) -> float | None:
        """Return when to start a read, given when the lifecycle needs one. Null: never, or while one is under way."""
        if self._reading is not None or check_at is None:
            return None
        return max(check_at, self._not_before)

    def start_if_due(self, upstream: UpstreamTask, check_at: float | None, group: asyncio.TaskGroup) -> None:
        """Start a read in `group` if one is due."""
        due_at = self.due_at(check_at)
        if due_at is not None and self._context.clock() >= due_at:
            self._reading = group.create_task(self._read(upstream))

    def committed(self, signals: Sequence[Signal]) -> None:
        """Note that signals have been committed: if they have the result of a read, the next may start."""
        if any(isinstance(signal, RecordRead | RecordUnreadable) for signal in signals):
            self._reading = None

    def cancel(self) -> None:
        """Cancel a read that is under way."""
        if self._reading is not None:
            self._reading.cancel()

    async def _read(self, upstream: UpstreamTask) -> None:
        signal: Signal
        called_back, self._called_back = self._called_back, False
        provider, clock = self._context.provider, self._context.clock
        try:
            async with self._context.admission.connecting:
                asked_at = clock()
                record = await provider.read_record(upstream)
        except UpstreamError as error:
            self._failures += 1
            self._not_before = clock() + full_jitter(self._failures, asked_s=error.retry_after_s)
            signal = RecordUnreadable(why=error.detail)
        else:
            self._failures = 0
            planned: Literal[Source.RECONCILED, Source.POLLED]
            planned = Source.RECONCILED if provider.streams else Source.POLLED
            source = Source.CALLBACK if called_back else planned
            signal = RecordRead(record=record, source=source, asked_at=asked_at)
        await self._inbox.put(signal)
