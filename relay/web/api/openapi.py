"""`GET /openapi.json`: describe the API for tools, from the route table and the types of bodies and responses."""

import re
from collections.abc import Iterator
from functools import cache
from http import HTTPStatus
from itertools import groupby
from typing import Any, Literal

import orjson
from aiohttp import web
from pydantic import TypeAdapter

from relay import __version__
from relay.errors import Code
from relay.web.api.route import Route
from relay.web.api.routes import ROUTES
from relay.web.http.problems import STATUS, Problem

Json = dict[str, Any]


async def document(_request: web.Request) -> web.Response:
    """`GET /openapi.json`."""
    return web.Response(body=openapi_document(), content_type="application/json")


@cache
def openapi_document() -> bytes:
    """Return the OpenAPI document as JSON."""
    definitions = schemas()
    paths: dict[str, Json] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method] = _operation(route, definitions)
    return orjson.dumps(
        {
            "openapi": "3.1.0",
            "info": {"title": "relay", "version": __version__, "license": {"name": "MIT"}},
            "paths": paths,
            "components": {
                "schemas": definitions,
                "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            },
        }
    )


@cache
def schemas() -> dict[str, Json]:
    """Return the JSON Schemas of all bodies, queries and responses by name."""
    found: dict[str, Json] = {}
    for kind, mode in dict.fromkeys(_types()):
        schema = TypeAdapter(kind).json_schema(mode=mode, ref_template="#/components/schemas/{model}")
        found |= schema.pop("$defs", {})
        found[kind.__name__] = schema
    return found


def _types() -> Iterator[tuple[Any, Literal["validation", "serialization"]]]:
    for route in ROUTES:
        for kind in (route.body, route.form, route.query):
            if kind is not None:
                yield kind, "validation"
        for response in route.responses.values():
            if not isinstance(response, str):
                yield response, "serialization"
    yield Problem, "serialization"


def _operation(route: Route, definitions: dict[str, Json]) -> Json:
    responses: Json = {}
    for status, response in route.responses.items():
        if isinstance(response, str):
            responses[str(status)] = {"description": response}
        else:
            content = {"application/json": {"schema": _ref(response)}}
            if route.streams:
                content["text/event-stream"] = {"schema": {"type": "string"}}
            responses[str(status)] = {"description": HTTPStatus(status).phrase, "content": content}
    problem = {"application/problem+json": {"schema": _ref(Problem)}}
    for status, codes in groupby(sorted(_errors(route), key=_status), key=_status):
        responses[str(status)] = {"description": ", ".join(sorted(codes)), "content": problem}
    if not route.public:
        responses["default"] = {"description": Code.INTERNAL.value, "content": problem}
    operation: Json = {
        "operationId": f"{route.method} {route.path}",
        "summary": route.summary,
        "responses": responses,
        "security": [] if route.public else [{"bearer": []}],
        "parameters": _parameters(route, definitions),
    }
    bodies = {"application/json": route.body, "multipart/form-data": route.form}
    content = {media_type: {"schema": _ref(kind)} for media_type, kind in bodies.items() if kind is not None}
    if content:
        operation["requestBody"] = {"required": route.body_required, "content": content}
    return operation


def _ref(kind: type[Any]) -> Json:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def _errors(route: Route) -> set[Code]:
    """Return the errors of a call. All under /v1 except the WebSockets reject repeated query parameters."""
    checked = route.path.startswith("/v1/") and not route.path.endswith("/ws")
    return {*route.errors, Code.INVALID_INPUT} if checked else {*route.errors}


def _status(code: Code) -> int:
    return STATUS[code]


def _parameters(route: Route, definitions: dict[str, Json]) -> list[Json]:
    parameters: list[Json] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", route.path)
    ]
    if route.query is not None:
        for name, schema in definitions[route.query.__name__]["properties"].items():
            parameters.append({"name": name, "in": "query", "required": False, "schema": schema})
    return parameters
