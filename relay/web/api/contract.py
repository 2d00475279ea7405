"""
The REST contract as a table: each call with what it takes, what it answers and how it can refuse.

`relay.web.application` has the same calls with those who answer them; a test holds the two together.
"""

from dataclasses import dataclass
from typing import Any, Literal

from relay.errors import Code

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One row of the contract."""

    method: Literal["get", "post"]
    path: str
    summary: str
    answers: dict[int, str | Json]
    """By status: a sentence, or the schema of the JSON answer."""
    refusals: tuple[Code, ...] = ()
    body: str | None = None
    body_required: bool = True
    form: str | None = None
    """The schema of the body as `multipart/form-data`."""
    query: str | None = None
    streams: bool = False
    open: bool = False


def ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def shape(required: Json, optional: Json | None = None) -> Json:
    return {"type": "object", "properties": required | (optional or {}), "required": list(required)}


_VIEW = (Code.UNAUTHORIZED, Code.FORBIDDEN, Code.NOT_FOUND)
_BODY = (Code.INVALID_REQUEST, Code.INVALID_INPUT, Code.PAYLOAD_TOO_LARGE, Code.UNSUPPORTED_MEDIA_TYPE)
_UPSTREAM = (Code.UPSTREAM_REJECTED, Code.UPSTREAM_UNAVAILABLE, Code.RATE_LIMITED, Code.INSUFFICIENT_BALANCE)

_SOCKET = (Code.INVALID_REQUEST, Code.FORBIDDEN)
_SWITCHED = "A WebSocket, subprotocol relay.v1. Other refusals are close codes, after it was accepted."

CALLS = (
    Call(
        method="post",
        path="/v1/tasks",
        summary="Start a task",
        body="StartBody",
        form="StartForm",
        answers={201: ref("Started"), 202: ref("Started")},
        refusals=(Code.UNAUTHORIZED, Code.FORBIDDEN, Code.CONFLICT, *_BODY, *_UPSTREAM, Code.DRAINING),
    ),
    Call(
        method="post",
        path="/v1/tasks/attach",
        summary="Follow a task that was started elsewhere",
        body="AttachBody",
        answers={200: ref("Started"), 201: ref("Started")},
        refusals=(Code.UNAUTHORIZED, Code.FORBIDDEN, Code.NOT_FOUND, *_BODY, *_UPSTREAM, Code.DRAINING),
    ),
    Call(
        method="get",
        path="/v1/tasks",
        summary="List tasks, newest first, without log and segments",
        query="ListQuery",
        answers={200: ref("TaskList")},
        refusals=(Code.UNAUTHORIZED, Code.FORBIDDEN, Code.INVALID_REQUEST, Code.INVALID_INPUT),
    ),
    Call(
        method="get",
        path="/v1/tasks/{id}",
        summary="Show a task's state",
        answers={200: ref("Snapshot")},
        refusals=_VIEW,
    ),
    Call(
        method="get",
        path="/v1/tasks/{id}/input",
        summary="Show what a task was started with",
        answers={200: ref("Input")},
        refusals=_VIEW,
    ),
    Call(
        method="get",
        path="/v1/tasks/{id}/events",
        summary="Read a task's log; with Accept: text/event-stream, follow it",
        query="EventsQuery",
        answers={200: ref("History"), 204: "The task has ended and the cursor has it all: stop coming back."},
        refusals=(*_VIEW, Code.INVALID_INPUT),
        streams=True,
    ),
    Call(
        method="get",
        path="/v1/tasks/{id}/ws",
        summary="Follow one task over a WebSocket",
        answers={101: _SWITCHED},
        refusals=_SOCKET,
    ),
    Call(
        method="get",
        path="/v1/ws",
        summary="Follow many tasks over one WebSocket",
        answers={101: _SWITCHED},
        refusals=_SOCKET,
    ),
    Call(
        method="get",
        path="/v1/events",
        summary="Follow many tasks and tags; without Accept: text/event-stream, show how each begins",
        query="SubscriptionsQuery",
        answers={200: ref("Messages"), 204: "Every task has ended and the client has it all: stop coming back."},
        refusals=(Code.UNAUTHORIZED, Code.INVALID_INPUT),
        streams=True,
    ),
    Call(
        method="post",
        path="/v1/events",
        summary="Follow many tasks and tags, each with its cursor and token",
        body="SubscriptionsBody",
        answers={200: ref("Messages"), 204: "Every task has ended and the client has it all: stop coming back."},
        refusals=(Code.UNAUTHORIZED, *_BODY),
        streams=True,
        open=True,
    ),
    Call(
        method="post",
        path="/v1/tasks/{id}/cancel",
        summary="Have the upstream stop a task",
        answers={202: ref("Snapshot")},
        refusals=(*_VIEW, Code.CONFLICT, *_UPSTREAM),
    ),
    Call(
        method="post",
        path="/v1/tasks/{id}/tokens",
        summary="Mint a viewer token",
        body="TokenBody",
        body_required=False,
        answers={200: ref("Token")},
        refusals=(*_VIEW, *_BODY, Code.RATE_LIMITED),
    ),
    Call(
        method="post",
        path="/v1/tokens",
        summary="Mint a viewer token for all tasks of a tag",
        body="TagTokenBody",
        answers={200: ref("TagToken")},
        refusals=(Code.UNAUTHORIZED, Code.FORBIDDEN, *_BODY, Code.RATE_LIMITED),
    ),
    Call(
        method="post",
        path="/v1/login",
        summary="Trade the code of a printed link for the API key",
        body="LoginBody",
        answers={200: shape({"key": {"type": "string"}})},
        refusals=(Code.UNAUTHORIZED, *_BODY),
        open=True,
    ),
    Call(
        method="get",
        path="/v1/models",
        summary="List the models of the catalogue",
        answers={200: ref("ModelList")},
        refusals=(Code.UNAUTHORIZED, Code.FORBIDDEN),
    ),
    Call(
        method="get",
        path="/v1/models/{owner}/{name}",
        summary="Show what a model takes, also one that only its platform knows",
        query="ModelQuery",
        answers={200: ref("Model")},
        refusals=(*_VIEW, *_UPSTREAM),
    ),
    Call(
        method="post",
        path="/v1/files",
        summary="Upload a file to the upstream's own store",
        form="FileForm",
        answers={201: shape({"file": ref("StoredFile")})},
        refusals=(Code.UNAUTHORIZED, Code.FORBIDDEN, *_BODY, *_UPSTREAM),
    ),
    Call(
        method="post",
        path="/v1/folders",
        summary="Create a folder in the upstream's own store",
        body="FolderBody",
        answers={201: shape({"folder": ref("StoredFolder")})},
        refusals=(Code.UNAUTHORIZED, Code.FORBIDDEN, *_BODY, *_UPSTREAM),
    ),
    Call(method="get", path="/livez", summary="Whether it lives", answers={200: {"type": "object"}}, open=True),
    Call(
        method="get",
        path="/readyz",
        summary="Whether it takes new requests",
        answers={200: {"type": "object"}, 503: {"type": "object"}},
        open=True,
    ),
)
