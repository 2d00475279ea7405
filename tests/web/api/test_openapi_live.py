"""
A running relay responds to valid and invalid requests as its OpenAPI document says.

`routes` is tested here too.
"""

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
from schemathesis.core.result import Ok
from schemathesis.pytest.lazy import get_all_tests
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
)

from relay.app import running
from relay.config import Config
from relay.sandbox import Sandbox
from relay.web.api.openapi import openapi_document

KEY = "a-management-key-for-tests"
HEADERS = {"Authorization": f"Bearer {KEY}"}
MODEL = "bytedance/text-to-image-seedream-v4"
JSON = "application/json"
EXAMPLES = 40

DOCUMENT = orjson.loads(openapi_document())
OPERATIONS = [(method.upper(), path) for path, operations in DOCUMENT["paths"].items() for method in operations]


@pytest.fixture(scope="module")
def schema() -> BaseSchema:
    """Return the operations of the document for Schemathesis."""
    return schemathesis.openapi.from_dict(DOCUMENT, config=SchemathesisConfig(seed=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A relay with a running task and an ended one, and a connection to it."""

    url: str
    session: requests.Session
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
        with requests.Session() as session:
            session.trust_env = False  # it would look for proxies and passwords before each request
            yield Served(url=url, session=session, tasks=(start(url, "hold_at=task_start"), ended))
    finally:
        child.send("stop")
        process.join()


def answered_as_documented(_context: CheckContext, response: Response, case: Case[Any]) -> None:
    """The document has the status of the response. `default` is for internal errors, which must not occur."""
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
    """Send a request and check the response. The running task never ends, so its end is not awaited."""
    if case.query and (case.path_parameters or {}).get("id") == served.tasks[0]:
        case.query.pop("wait", None)
    case.call_and_validate(served.url, session=served.session, headers=HEADERS, checks=CHECKS, allow_redirects=False)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_responses_conform_to_the_document(method: str, path: str, schema: BaseSchema, served: Served) -> None:
    """
    Status, content type and body. Methods that are not in the document are rejected with `Allow`.

    The requests are generated here and not by `schema.parametrize()`, which does it while tests are collected, once in
    each worker.
    """
    only = schema.include(method=method, path=path)
    (built,) = get_all_tests(schema=only, test_func=ask_about_each, settings=BOUNDED, given_kwargs={})
    assert isinstance(built, Ok)
    _, generated = built.ok()
    generated(served=served)


def ask_about_each(case: Case[Any], served: Served) -> None:
    """Send a request as it is and, because what Hypothesis names does not exist, about tasks and models that do."""
    ask(case, served)
    for path_parameters in existing(case, served):
        case.path_parameters = path_parameters
        ask(case, served)
    if case.operation.label == "POST /v1/tasks" and isinstance(case.body, dict) and case.media_type == JSON:
        case.body = case.body | {"model": MODEL, "provider": "wiro", "input": {"prompt": "a cat"}}
        ask(case, served)


def existing(case: Case[Any], served: Served) -> list[dict[str, str]]:
    """Return the path parameters of a running task and an ended one, or of a model of the catalogue."""
    owner, _, name = MODEL.partition("/")
    tasks = [{"id": task, "n": "0", "name": "x"} for task in served.tasks]
    places = tasks if "{id}" in case.operation.path else [{"owner": owner, "name": name}]
    named = [{key: value for key, value in place.items() if f"{{{key}}}" in case.operation.path} for place in places]
    return [parameters for parameters in named if parameters]


def test_the_served_document_is_the_tested_one(served: Served) -> None:
    """The relay runs in another process."""
    assert requests.get(f"{served.url}/openapi.json", timeout=60).json() == DOCUMENT


def test_repeated_parameters_are_rejected_and_documented(served: Served) -> None:
    """It is a 422, except for WebSockets, which are closed with a code."""
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            if path.startswith("/v1/") and not path.endswith("/ws"):
                url = served.url + path.format(id="x", owner="x", name="x", n="0")
                answer = requests.request(method, f"{url}?a=1&a=2", headers=HEADERS, timeout=60)
                assert (answer.status_code, "422" in operation["responses"]) == (422, True), f"{method} {path}"
