"""`GET /openapi.json`: the REST contract for tools, drawn from the very types that parse and write it."""

import re
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from itertools import groupby
from typing import Any, Literal, get_args

import orjson
from aiohttp import web
from pydantic import TypeAdapter

from relay import __version__
from relay.core.events import Event
from relay.core.snapshot import Snapshot
from relay.errors import Code, FieldError, UpstreamFault
from relay.providers.catalogue.model import InputType
from relay.web.bodies import AttachBody, EventsQuery, ListQuery, StartBody, TokenBody
from relay.web.problems import STATUS

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """One row of the contract."""

    method: Literal["get", "post"]
    path: str
    summary: str
    answers: dict[int, str | Json]
    """By status: a sentence, or the schema of the JSON answer."""
    refusals: tuple[Code, ...] = ()
    body: str | None = None
    body_required: bool = True
    query: str | None = None
    streams: bool = False
    open: bool = False


def _status(code: Code) -> int:
    return STATUS[code]


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


_VIEW = (Code.UNAUTHORIZED, Code.FORBIDDEN, Code.NOT_FOUND)
_BODY = (Code.INVALID_REQUEST, Code.INVALID_INPUT, Code.PAYLOAD_TOO_LARGE, Code.UNSUPPORTED_MEDIA_TYPE)
_UPSTREAM = (Code.UPSTREAM_REJECTED, Code.UPSTREAM_UNAVAILABLE, Code.RATE_LIMITED, Code.INSUFFICIENT_BALANCE)

_SOCKET = (Code.INVALID_REQUEST, Code.FORBIDDEN)
_SWITCHED = "A WebSocket, subprotocol relay.v1. Other refusals are close codes, after it was accepted."

_CALLS = (
    _Call(
        method="post",
        path="/v1/tasks",
        summary="Start a task",
        body="StartBody",
        answers={201: _ref("Started"), 202: _ref("Started")},
        refusals=(Code.UNAUTHORIZED, Code.FORBIDDEN, Code.CONFLICT, *_BODY, *_UPSTREAM, Code.DRAINING),
    ),
    _Call(
        method="post",
        path="/v1/tasks/attach",
        summary="Follow a task that somebody else started",
        body="AttachBody",
        answers={200: _ref("Started"), 201: _ref("Started")},
        refusals=(Code.UNAUTHORIZED, Code.FORBIDDEN, Code.NOT_FOUND, *_BODY, *_UPSTREAM, Code.DRAINING),
    ),
    _Call(
        method="get",
        path="/v1/tasks",
        summary="List tasks, newest first, without log and segments",
        query="ListQuery",
        answers={200: _ref("TaskList")},
        refusals=(Code.UNAUTHORIZED, Code.FORBIDDEN, Code.INVALID_REQUEST, Code.INVALID_INPUT),
    ),
    _Call(
        method="get",
        path="/v1/tasks/{id}",
        summary="Show a task's state",
        answers={200: _ref("Snapshot")},
        refusals=_VIEW,
    ),
    _Call(
        method="get",
        path="/v1/tasks/{id}/input",
        summary="Show what a task was started with",
        answers={200: _ref("Input")},
        refusals=_VIEW,
    ),
    _Call(
        method="get",
        path="/v1/tasks/{id}/events",
        summary="Read a task's log; with Accept: text/event-stream, follow it",
        query="EventsQuery",
        answers={200: _ref("History"), 204: "The task has ended and the cursor has it all: stop coming back."},
        refusals=(*_VIEW, Code.INVALID_INPUT),
        streams=True,
    ),
    _Call(
        method="get",
        path="/v1/tasks/{id}/ws",
        summary="Follow one task over a WebSocket",
        answers={101: _SWITCHED},
        refusals=_SOCKET,
    ),
    _Call(
        method="get",
        path="/v1/ws",
        summary="Follow many tasks over one WebSocket",
        answers={101: _SWITCHED},
        refusals=_SOCKET,
    ),
    _Call(
        method="post",
        path="/v1/tasks/{id}/cancel",
        summary="Have the upstream stop a task",
        answers={202: _ref("Snapshot")},
        refusals=(*_VIEW, Code.CONFLICT, *_UPSTREAM),
    ),
    _Call(
        method="post",
        path="/v1/tasks/{id}/tokens",
        summary="Mint a viewer token",
        body="TokenBody",
        body_required=False,
        answers={200: _ref("Token")},
        refusals=(*_VIEW, *_BODY),
    ),
    _Call(
        method="get",
        path="/v1/models",
        summary="List the models of the catalogue",
        answers={200: _ref("ModelList")},
        refusals=(Code.UNAUTHORIZED, Code.FORBIDDEN),
    ),
    _Call(
        method="get",
        path="/v1/models/{owner}/{name}",
        summary="Show what a model takes, also one that only its platform knows",
        query="ModelQuery",
        answers={200: _ref("Model")},
        refusals=(*_VIEW, *_UPSTREAM),
    ),
    _Call(method="get", path="/livez", summary="Whether it lives", answers={200: {"type": "object"}}, open=True),
    _Call(
        method="get",
        path="/readyz",
        summary="Whether it takes new requests",
        answers={200: {"type": "object"}, 503: {"type": "object"}},
        open=True,
    ),
)


async def document(_request: web.Request) -> web.Response:
    """Answer with the document."""
    return web.Response(body=_document(), content_type="application/json")


@cache
def _document() -> bytes:
    paths: dict[str, Json] = {}
    schemas = _schemas()
    for call in _CALLS:
        paths.setdefault(call.path, {})[call.method] = _operation(call, schemas)
    return orjson.dumps(
        {
            "openapi": "3.1.0",
            "info": {"title": "relay", "version": __version__, "license": {"name": "MIT"}},
            "paths": paths,
            "components": {
                "schemas": schemas,
                "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            },
        }
    )


def _operation(call: _Call, schemas: dict[str, Json]) -> Json:
    responses: Json = {}
    for status, schema in call.answers.items():
        if isinstance(schema, str):
            responses[str(status)] = {"description": schema}
        else:
            content = {"application/json": {"schema": schema}}
            if call.streams:
                content["text/event-stream"] = {"schema": {"type": "string"}}
            responses[str(status)] = {"description": HTTPStatus(status).phrase, "content": content}
    problem = {"application/problem+json": {"schema": _ref("Problem")}}
    for status, codes in groupby(sorted(call.refusals, key=_status), key=_status):
        responses[str(status)] = {"description": ", ".join(sorted({*codes})), "content": problem}
    if not call.open:
        responses["default"] = {"description": Code.INTERNAL.value, "content": problem}
    operation: Json = {
        "operationId": f"{call.method} {call.path}",
        "summary": call.summary,
        "responses": responses,
        "security": [] if call.open else [{"bearer": []}],
        "parameters": _parameters(call, schemas),
    }
    if call.body is not None:
        content = {"application/json": {"schema": _ref(call.body)}}
        operation["requestBody"] = {"required": call.body_required, "content": content}
    return operation


def _parameters(call: _Call, schemas: dict[str, Json]) -> list[Json]:
    found: list[Json] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", call.path)
    ]
    if call.query is not None:
        for name, schema in schemas[call.query]["properties"].items():
            found.append({"name": name, "in": "query", "required": False, "schema": schema})
    return found


def _schemas() -> dict[str, Json]:
    """Draw the schemas of what is read and written; shared parts stand once."""
    schemas: dict[str, Json] = {}
    read: tuple[type[Any], ...] = (StartBody, AttachBody, TokenBody, ListQuery, EventsQuery)
    written: tuple[type[Any], ...] = (Snapshot, Event, FieldError, UpstreamFault)
    for mode, kinds in (("validation", read), ("serialization", written)):
        for kind in kinds:
            schema = TypeAdapter(kind).json_schema(
                mode="validation" if mode == "validation" else "serialization",
                ref_template="#/components/schemas/{model}",
            )
            schemas |= schema.pop("$defs", {})
            schemas[kind.__name__] = schema
    text, number = {"type": "string"}, {"type": "number"}
    schemas["ModelList"] = _object({"models": {"type": "array", "items": _ref("Model")}})
    schemas["ModelQuery"] = _object({}, {"provider": text})
    schemas["Model"] = _object(
        {
            "model": text,
            "provider": text,
            "available": {"type": "boolean"},
            "title": text,
            "description": text,
            "inputs": {"type": "array", "items": _ref("ModelInput")},
            "inspires": {"type": "array", "items": {"type": "object"}},
            "schema": {"type": "object"},
        }
    )
    option = _object({"value": text, "label": text})
    schemas["ModelInput"] = _object(
        {
            "name": text,
            "label": text,
            "help": text,
            "type": {"enum": [*get_args(InputType)]},
            "required": {"type": "boolean"},
            "default": {"type": ["string", "number", "null"]},
            "options": {"type": "array", "items": option},
            "limits": {"type": "object"},
        }
    )
    schemas["Started"] = _object(
        {"task": _ref("Snapshot"), "token": text, "links": {"type": "object"}}, {"unconfirmed": text}
    )
    schemas["TaskList"] = _object(
        {"tasks": {"type": "array", "items": _ref("Snapshot")}, "next": {"type": ["string", "null"]}}
    )
    schemas["Input"] = _object({"input": {"type": "object"}, "metadata": {"type": "object"}})
    schemas["History"] = _object(
        {
            "events": {"type": "array", "items": _ref("Event")},
            "first_seq": {"type": "integer"},
            "next": {"type": ["integer", "null"]},
        }
    )
    schemas["Token"] = _object({"token": text, "expires_at": number, "links": {"type": "object"}})
    schemas["Problem"] = _object(
        {
            "type": text,
            "title": text,
            "status": {"type": "integer"},
            "detail": text,
            "code": {"enum": [code.value for code in Code]},
        },
        {
            "errors": {"type": "array", "items": _ref("FieldError")},
            "upstream": _ref("UpstreamFault"),
            "task": text,
        },
    )
    return schemas


def _object(required: Json, optional: Json | None = None) -> Json:
    return {"type": "object", "properties": required | (optional or {}), "required": list(required)}
