"""Keeps the live stream of one task open."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

from relay import log
from relay.backoff import full_jitter
from relay.core.signals import Signal, StreamLost, StreamOpened
from relay.core.upstream import UpstreamTask
from relay.errors import UpstreamUnavailable
from relay.tasks.context import TaskContext

_log = log.get("stream")


async def listen(context: TaskContext, upstream: UpstreamTask, inbox: asyncio.Queue[Signal]) -> None:
    """
    Put the stream's signals into the inbox, and whether it was opened or lost. Reconnects until cancelled.

    Args:
        context: the task. If its provider has no streams, or no file descriptor is free, the stream counts as lost.
        upstream: how the provider identifies the task.
        inbox: while it is full, the stream is not read, so TCP flow control slows the platform down.
    """
    if not context.provider.streams:
        await inbox.put(StreamLost())
        return
    failures = 0
    while True:
        try:
            async with AsyncExitStack() as stack:
                stream: AsyncIterator[Signal] | None = None
                async with context.admission.opening() as may_open:
                    if may_open:
                        stream = await stack.enter_async_context(context.provider.follow(upstream))
                outcome = "no_files" if stream is None else "opened"
                context.counts.streams[context.provider.name, outcome] += 1
                if stream is not None:
                    await inbox.put(StreamOpened())
                    async for signal in stream:
                        failures = 0
                        await inbox.put(signal)
        except UpstreamUnavailable as error:
            context.counts.streams[context.provider.name, "failed"] += 1
            _log.warning("stream.open_failed", task=context.stored.id, error=error.detail)
        await inbox.put(StreamLost())
        failures += 1
        await asyncio.sleep(full_jitter(failures))
