"""
One trace for each task that ends, sent to an OpenTelemetry collector.

The log of a task has all times, so its spans are made when it has ended: nothing is kept in memory meanwhile, and a
task that another process takes over has one trace as well.
"""

import asyncio
from typing import Final, Self

from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.trace import NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags, set_span_in_context

from relay import __version__
from relay.core.snapshot import Snapshot
from relay.journal.base import StoredTask
from relay.metrics.trace_context import TraceContext
from relay.tasks.counts import phases

_NS: Final = 1_000_000_000


class _TaskIds(IdGenerator):
    """Gives the span of a task the ids that are derived from the task, and all others random ones."""

    def __init__(self) -> None:
        self._random = RandomIdGenerator()
        self.next: TraceContext | None = None

    def generate_trace_id(self) -> int:
        return self._random.generate_trace_id() if self.next is None else self.next.trace_id

    def generate_span_id(self) -> int:
        given, self.next = self.next, None
        return self._random.generate_span_id() if given is None else given.span_id


class Traces:
    """Makes and sends the traces of tasks. Use it as an async context manager."""

    def __init__(self, exporter: SpanExporter, *, node: str) -> None:
        """
        Args:
            exporter: sends the spans. It is called in a thread.
            node: the name of this process among those that share the store.
        """
        self._ids = _TaskIds()
        attributes = {SERVICE_NAME: "relay", SERVICE_VERSION: __version__, SERVICE_INSTANCE_ID: node}
        # The library adds what OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME and OTEL_TRACES_SAMPLER say.
        self._provider = TracerProvider(
            resource=Resource.create(attributes), id_generator=self._ids, shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("relay", __version__)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        await asyncio.to_thread(self._provider.shutdown)

    def end(self, task: StoredTask, snapshot: Snapshot) -> None:
        """Make the trace of a task that has ended: a span for the task, and one in it for each of its phases."""
        done, ended_at = snapshot.done, snapshot.ended_at
        if done is None or ended_at is None:
            raise AssertionError(f"task {snapshot.id} has not ended")
        context = TraceContext.of(task.id, task.traceparent)
        parent = None
        if context.parent_id is not None:
            flags = TraceFlags(TraceFlags.SAMPLED if context.sampled else TraceFlags.DEFAULT)
            remote = SpanContext(context.trace_id, context.parent_id, is_remote=True, trace_flags=flags)
            parent = set_span_in_context(NonRecordingSpan(remote))
        self._ids.next = context
        span = self._tracer.start_span(
            "task",
            parent,
            start_time=_ns(snapshot.created_at),
            attributes={
                "relay.task": snapshot.id,
                "relay.provider": snapshot.provider,
                "relay.model": snapshot.model,
                "relay.verdict": done.verdict,
                "relay.events": snapshot.seq,
                **({} if done.cost is None else {f"relay.cost.{done.cost.unit}": done.cost.amount}),
            },
        )
        if done.verdict != "succeeded":
            span.set_status(Status(StatusCode.ERROR, done.verdict))
        inside = set_span_in_context(span)
        began_at = snapshot.stages[0].at if snapshot.stages else ended_at
        parts = [("submitting", snapshot.created_at, began_at)]
        for phase, duration_s in phases(snapshot):
            parts.append((phase, began_at, began_at + duration_s))
            began_at += duration_s
        for name, from_, until in parts:
            self._tracer.start_span(name, inside, start_time=_ns(from_)).end(_ns(max(from_, until)))
        span.end(_ns(ended_at))


def _ns(seconds: float) -> int:
    return int(seconds * _NS)
