"""`GET /openapi.json`: the REST contract for tools, drawn from the very types that parse and write it."""

import re
from functools import cache
from http import HTTPStatus
from itertools import groupby
from typing import Any, get_args

import orjson
from aiohttp import web
from pydantic import TypeAdapter

from relay import __version__
from relay.catalogue.model import InputType
from relay.core.events import Event
from relay.core.snapshot import Snapshot
from relay.core.upstream import StoredFile, StoredFolder
from relay.errors import Code, FieldError, UpstreamFault
from relay.web.api.bodies import (
    AttachBody,
    EventsQuery,
    FileBody,
    FolderBody,
    ListQuery,
    StartBody,
    TagTokenBody,
    TokenBody,
)
from relay.web.api.contract import CALLS, Call, Json, ref, shape
from relay.web.api.login import LoginBody
from relay.web.http.problems import STATUS
from relay.web.live.requests import SubscriptionsBody, SubscriptionsQuery


async def document(_request: web.Request) -> web.Response:
    """Answer with the document."""
    return web.Response(body=_document(), content_type="application/json")


@cache
def _document() -> bytes:
    paths: dict[str, Json] = {}
    schemas = _schemas()
    for call in CALLS:
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


def _refusals(call: Call) -> set[Code]:
    """Return the refusals of a call. Every call below /v1 except the WebSockets refuses a repeated query parameter."""
    checked = call.path.startswith("/v1/") and not call.path.endswith("/ws")
    return {*call.refusals, Code.INVALID_INPUT} if checked else {*call.refusals}


def _operation(call: Call, schemas: dict[str, Json]) -> Json:
    responses: Json = {}
    for status, schema in call.answers.items():
        if isinstance(schema, str):
            responses[str(status)] = {"description": schema}
        else:
            content = {"application/json": {"schema": schema}}
            if call.streams:
                content["text/event-stream"] = {"schema": {"type": "string"}}
            responses[str(status)] = {"description": HTTPStatus(status).phrase, "content": content}
    problem = {"application/problem+json": {"schema": ref("Problem")}}
    for status, codes in groupby(sorted(_refusals(call), key=_status), key=_status):
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
    bodies = {"application/json": call.body, "multipart/form-data": call.form}
    content = {kind: {"schema": ref(schema)} for kind, schema in bodies.items() if schema is not None}
    if content:
        operation["requestBody"] = {"required": call.body_required, "content": content}
    return operation


def _status(code: Code) -> int:
    return STATUS[code]


def _parameters(call: Call, schemas: dict[str, Json]) -> list[Json]:
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
    read: tuple[type[Any], ...] = (
        StartBody,
        AttachBody,
        FileBody,
        FolderBody,
        TokenBody,
        TagTokenBody,
        LoginBody,
        ListQuery,
        EventsQuery,
        SubscriptionsBody,
        SubscriptionsQuery,
    )
    written: tuple[type[Any], ...] = (Snapshot, Event, StoredFile, StoredFolder, FieldError, UpstreamFault)
    for mode, kinds in (("validation", read), ("serialization", written)):
        for kind in kinds:
            schema = TypeAdapter(kind).json_schema(
                mode="validation" if mode == "validation" else "serialization",
                ref_template="#/components/schemas/{model}",
            )
            schemas |= schema.pop("$defs", {})
            schemas[kind.__name__] = schema
    text, number = {"type": "string"}, {"type": "number"}
    schemas["ModelList"] = shape({"models": {"type": "array", "items": ref("Model")}})
    schemas["ModelQuery"] = shape({}, {"provider": text})
    schemas["Model"] = shape(
        {
            "model": text,
            "provider": text,
            "available": {"type": "boolean"},
            "title": text,
            "description": text,
            "inputs": {"type": "array", "items": ref("ModelInput")},
            "inspires": {"type": "array", "items": {"type": "object"}},
            "schema": {"type": "object"},
        }
    )
    option = shape({"value": text, "label": text})
    schemas["ModelInput"] = shape(
        {
            "name": text,
            "label": text,
            "help": text,
            "type": {"enum": [*get_args(InputType)]},
            "required": {"type": "boolean"},
            "default": {"type": ["string", "number", "null"]},
            "options": {"type": "array", "items": option},
            "part": {"type": ["string", "null"]},
            "accept": {"type": "array", "items": text},
            "limits": {"type": "object"},
        }
    )
    binary = {"type": "string", "format": "binary"}
    schemas["StartForm"] = shape({"task": ref("StartBody")}) | {"additionalProperties": binary}
    schemas["FileForm"] = shape({"file": binary}, schemas["FileBody"]["properties"])
    schemas["Started"] = shape(
        {"task": ref("Snapshot"), "token": text, "links": {"type": "object"}}, {"unconfirmed": text}
    )
    schemas["TaskList"] = shape(
        {"tasks": {"type": "array", "items": ref("Snapshot")}, "next": {"type": ["string", "null"]}}
    )
    file = shape({"input": text, "filename": text, "content_type": text, "size": {"type": "integer"}, "sha256": text})
    schemas["Input"] = shape(
        {
            "input": {"type": "object"},
            "files": {"type": "array", "items": file},
            "metadata": {"type": "object"},
        }
    )
    schemas["History"] = shape(
        {
            "epoch": text,
            "events": {"type": "array", "items": ref("Event")},
            "first_seq": {"type": "integer"},
            "next": {"type": ["integer", "null"]},
        }
    )
    schemas["Messages"] = shape({"messages": {"type": "array", "items": {"type": "object"}}})
    schemas["TagToken"] = shape({"token": text, "expires_at": number})
    schemas["Token"] = shape({"token": text, "expires_at": number, "links": {"type": "object"}})
    schemas["Problem"] = shape(
        {
            "type": text,
            "title": text,
            "status": {"type": "integer"},
            "detail": text,
            "code": {"enum": [code.value for code in Code]},
        },
        {
            "errors": {"type": "array", "items": ref("FieldError")},
            "upstream": ref("UpstreamFault"),
            "task": text,
        },
    )
    return schemas
