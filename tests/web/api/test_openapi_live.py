"""The whole OpenAPI document against a relay that serves: what it allows and what it forbids is answered as it says."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import orjson
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case, CheckContext, Response
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
)

from relay.app import running
from relay.config import Config
from relay.sandbox import Sandbox
from relay.web.api import openapi

KEY = "a-management-key-for-tests"
HEADERS = {"Authorization": f"Bearer {KEY}"}
MODEL = "bytedance/text-to-image-seedream-v4"
EXAMPLES = 40

DOCUMENT = orjson.loads(openapi._document())
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT, config=SchemathesisConfig(seed=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A relay with one task that runs and one that has ended."""

    url: str
    tasks: tuple[str, str]


def serve(parent: Connection) -> None:
    """Run a relay and its sandbox, send the relay's URL, and stop when the parent sends anything."""

    async def run() -> None:
        async with Sandbox(speed=50) as sandbox:
            given = {
                "port": 0,
                "store": "memory:",
                "api_keys": (KEY,),
                "wiro_api_key": sandbox.api_key,
                "wiro_api_secret": sandbox.api_secret,
                "wiro_api_url": sandbox.api_url,
                "wiro_socket_url": sandbox.socket_url,
                "drain_s": 0.2,
            }
            async with running(Config.model_validate(given)) as relay:
                parent.send(relay.url)
                await asyncio.to_thread(parent.recv)

    asyncio.run(run())


def start(url: str, switches: str) -> str:
    """Start a task and return its id."""
    body: dict[str, Any] = {"model": MODEL, "input": {"prompt": f"a cat [sandbox: {switches}]"}, "tags": ["all"]}
    made = requests.post(f"{url}/v1/tasks", json=body, headers=HEADERS, timeout=60)
    assert made.status_code == 201
    return str(made.json()["task"]["id"])


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """
    Serve in a process of its own.

    Schemathesis calls the relay with a blocking client. In a thread, the relay would also draw from the `random` module
    while Hypothesis generates a case, which Hypothesis reports as an error of the strategy.
    """
    processes = get_context("spawn")
    child, parent = processes.Pipe()
    process = processes.Process(target=serve, args=(parent,), name="relay")
    process.start()
    try:
        assert child.poll(60), "the relay did not start"
        url = child.recv()
        ended = start(url, "")
        stream = {"Accept": "text/event-stream"} | HEADERS
        requests.get(f"{url}/v1/tasks/{ended}/events", headers=stream, timeout=60)  # ends when the task does
        yield Served(url=url, tasks=(start(url, "hold_at=task_start"), ended))
    finally:
        child.send("stop")
        process.join()


def answered_as_documented(_context: CheckContext, response: Response, case: Case[Any]) -> None:
    """Each status is one that the call names: `default` is for our own failures, and there are none."""
    named = {str(status) for status in case.operation.definition.raw["responses"]} - {"default"}
    if case.method.lower() == case.operation.method.lower():
        assert str(response.status_code) in named, f"{response.status_code} is not in the document"
    assert response.status_code != 500
    assert response.status_code < 500 or response.headers["content-type"] == ["application/problem+json"]


CHECKS = [
    answered_as_documented,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    unsupported_method,
]


BOUNDED = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def ask(case: Case[Any], served: Served) -> None:
    """Send it, and judge the answer."""
    case.call_and_validate(base_url=served.url, headers=HEADERS, checks=CHECKS)


@SCHEMA.parametrize()
@BOUNDED
def test_every_call_is_answered_as_the_document_says(case: Case[Any], served: Served) -> None:
    """Status, content type and body; a method that the document does not name is refused, and told which there are."""
    ask(case, served)


@SCHEMA.include(path_regex="{").parametrize()
@BOUNDED
def test_every_call_on_what_is_there_is_answered_as_the_document_says(case: Case[Any], served: Served) -> None:
    """The same for a task that runs, for one that has ended, and for a model of the catalogue."""
    owner, _, name = MODEL.partition("/")
    there = [{"id": task} for task in served.tasks]
    for place in there if "{id}" in case.operation.path else [{"owner": owner, "name": name}]:
        case.path_parameters = place
        ask(case, served)


@SCHEMA.include(path="/v1/tasks", method="POST").parametrize()
@BOUNDED
def test_a_start_of_a_model_that_there_is_is_answered_as_the_document_says(case: Case[Any], served: Served) -> None:
    """What Hypothesis makes up as a model exists nowhere, so the rest of such a body is hardly looked at."""
    if isinstance(case.body, dict) and case.media_type == "application/json":
        case.body = case.body | {"model": MODEL, "provider": "wiro", "input": {"prompt": "a cat"}}
        ask(case, served)


def test_the_document_that_is_served_is_the_one_that_was_tried(served: Served) -> None:
    """Byte for byte."""
    assert requests.get(f"{served.url}/openapi.json", timeout=60).json() == DOCUMENT


def test_every_call_refuses_a_repeated_parameter_and_documents_it(served: Served) -> None:
    """422, except for a WebSocket, which is closed with a code."""
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            if path.startswith("/v1/") and not path.endswith("/ws"):
                url = served.url + path.format(id="x", owner="x", name="x")
                answer = requests.request(method, f"{url}?a=1&a=2", headers=HEADERS, timeout=60)
                assert (answer.status_code, "422" in operation["responses"]) == (422, True), f"{method} {path}"
