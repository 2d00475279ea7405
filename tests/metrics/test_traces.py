"""One trace per task, from the request to the end, and the header that carries it in and out."""

import sys
from dataclasses import replace

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from relay.config import Config
from relay.core.events import Cost, Done, Stage
from relay.core.snapshot import Snapshot
from relay.errors import ConfigError
from relay.journal.base import StoredTask
from relay.metrics import trace_exporter
from relay.metrics.trace_context import TraceContext, checked_traceparent, trace_of
from relay.metrics.traces import Traces
from tests.conftest import API_KEY, MakeRelay
from tests.tasks.support import MODEL
from tests.tasks.support import ended as task_ended
from tests.tasks.test_counts import ended
from tests.webhooks.receiver import SECRET, Receiver

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
HEADER = f"00-{TRACE}-{SPAN}-01"


def stored(snapshot: Snapshot, traceparent: str | None = None) -> StoredTask:
    return StoredTask(
        id=snapshot.id,
        provider=snapshot.provider,
        model=snapshot.model,
        created_at=snapshot.created_at,
        input={},
        metadata={},
        traceparent=traceparent,
    )


async def spans_of(snapshot: Snapshot, traceparent: str | None = None) -> dict[str, ReadableSpan]:
    """Return the spans of a task by name."""
    exporter = InMemorySpanExporter()
    async with Traces(exporter, node="node-1") as traces:
        traces.end(stored(snapshot, traceparent), snapshot)
    return {span.name: span for span in exporter.get_finished_spans()}


WHOLE = ended((Stage.QUEUE, 2.0), (Stage.START, 10.0), (Stage.END, 90.0), at=100.0)


async def test_a_task_is_a_span_with_a_span_for_each_phase() -> None:
    """They follow one another without a gap, and have the times of the log."""
    spans = await spans_of(replace(WHOLE, done=Done(verdict="succeeded", cost=Cost(amount=0.5, unit="usd"))))
    root = spans.pop("task")
    assert root.parent is None
    assert root.attributes is not None
    assert root.attributes["relay.cost.usd"] == 0.5
    assert root.status.status_code is StatusCode.UNSET
    assert root.resource.attributes["service.instance.id"] == "node-1"
    times = {name: (span.start_time, span.end_time) for name, span in spans.items()}
    second = 10**9
    assert times == {
        "submitting": (0, 2 * second),
        "queued": (2 * second, 10 * second),
        "running": (10 * second, 90 * second),
        "finishing": (90 * second, 100 * second),
    }
    assert (root.start_time, root.end_time) == (0, 100 * second)
    assert all(span.parent is not None and span.parent.span_id == root.context.span_id for span in spans.values())
    assert {span.context.trace_id for span in spans.values()} == {root.context.trace_id}


async def test_a_task_continues_the_trace_of_its_request() -> None:
    """Its span is the one that its webhooks name as their parent."""
    root = (await spans_of(WHOLE, HEADER))["task"]
    assert f"{root.context.trace_id:032x}" == TRACE
    assert root.parent is not None
    assert f"{root.parent.span_id:016x}" == SPAN
    assert trace_of(stored(WHOLE, HEADER)) == f"00-{TRACE}-{root.context.span_id:016x}-01"


async def test_a_trace_that_is_not_sampled_is_not_sent() -> None:
    """The caller decides, as its own spans are not sent either."""
    assert await spans_of(WHOLE, HEADER[:-1] + "0") == {}


async def test_a_failed_task_is_an_error() -> None:
    """Without the message, which may quote the prompt."""
    spans = await spans_of(replace(ended(), done=Done(verdict="failed")))
    assert spans["task"].status.status_code is StatusCode.ERROR
    assert set(spans) == {"task", "submitting"}


async def test_a_task_that_goes_on_has_no_trace() -> None:
    """Its end is not known."""
    with pytest.raises(AssertionError, match="has not ended"):
        await spans_of(replace(WHOLE, done=None))


@pytest.mark.parametrize(
    ("header", "checked"),
    [
        (None, None),
        (HEADER, HEADER),
        (f"{HEADER}-later", None),
        (f"cc{HEADER[2:]}-later", f"cc{HEADER[2:]}"),
        (f"ff{HEADER[2:]}", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (HEADER.upper(), None),
        ("", None),
    ],
)
def test_a_header_that_is_not_valid_is_ignored(header: str | None, checked: str | None) -> None:
    """As https://www.w3.org/TR/trace-context/#versioning-of-traceparent asks for."""
    assert checked_traceparent(header) == checked


@given(st.text())
def test_the_ids_of_a_task_are_always_the_same(task: str) -> None:
    """So that another node, or a later process, makes the same trace."""
    header = TraceContext.of(task, None).traceparent
    assert TraceContext.of(task, None).traceparent == header
    assert checked_traceparent(header) == header
    assert TraceContext.of(task, "nonsense").traceparent == header


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """Keep what would be sent to the collector."""
    kept = InMemorySpanExporter()
    from opentelemetry.exporter.otlp.proto.http import trace_exporter as otlp

    monkeypatch.setattr(otlp, "OTLPSpanExporter", lambda _url: kept)
    return kept


async def test_a_trace_goes_from_the_request_to_the_webhook(
    make_relay: MakeRelay, exporter: InMemorySpanExporter
) -> None:
    """It is stored with the task."""
    headers = {"Authorization": f"Bearer {API_KEY}", "traceparent": HEADER}
    body = {"model": MODEL, "input": {"prompt": "a cat"}}
    async with Receiver() as receiver:
        settings = {"webhook_urls": (receiver.url,), "webhook_secrets": (SECRET,)}
        async with make_relay(traces_url="http://collector.example:4318/", **settings) as relay:
            async with (
                aiohttp.ClientSession(relay.url) as client,
                client.post("/v1/tasks", json=body, headers=headers) as got,
            ):
                task = (await got.json())["task"]["id"]
            await task_ended(relay, task)
            await receiver.until(lambda: bool(receiver.attempts))
            stored_task = await relay.journal.stored_task(task)
    assert stored_task is not None
    assert stored_task.traceparent == HEADER
    roots = [span for span in exporter.get_finished_spans() if span.name == "task"]
    assert len(roots) == 1
    assert set(receiver.traceparents) == {trace_of(stored_task)}
    assert f"{roots[0].context.trace_id:032x}" == TRACE


async def test_without_a_collector_nothing_is_traced(make_relay: MakeRelay) -> None:
    """The header of a request is not stored."""
    headers = {"Authorization": f"Bearer {API_KEY}", "traceparent": HEADER}
    async with make_relay() as relay:
        body = {"model": MODEL, "input": {"prompt": "a cat"}}
        async with (
            aiohttp.ClientSession(relay.url) as client,
            client.post("/v1/tasks", json=body, headers=headers) as got,
        ):
            stored_task = await relay.journal.stored_task((await got.json())["task"]["id"])
    assert stored_task is not None
    assert stored_task.traceparent is None


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra."""
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    config = Config.model_validate({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"})
    with pytest.raises(ConfigError, match=r"pip install 'generation-relay\[otel\]'"):
        trace_exporter.make_traces(config)
