"""The route table of the REST API: each call with its handler, what it takes, what it returns and how it can fail."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from aiohttp.typedefs import Handler
from pydantic import BaseModel

from relay.access.roles import Right
from relay.core.snapshot import Snapshot
from relay.errors import Code
from relay.journal.audit import Action
from relay.web.api import (
    audit,
    files,
    health,
    login,
    models,
    outputs,
    responses,
    revoking,
    stats,
    tasks,
    webhooks,
    zipped_outputs,
)
from relay.web.api.file_bodies import FileForm, FolderBody
from relay.web.api.task_bodies import AgainBody, AttachBody, StartBody, StartForm, TagTokenBody, TokenBody
from relay.web.api.task_queries import CountQuery, DeleteQuery, DeleteTaggedQuery, EventsQuery, ListQuery, ShowQuery
from relay.web.live import events, websocket
from relay.web.live.requests import SubscriptionsBody, SubscriptionsQuery


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A call of the API."""

    method: Literal["get", "post", "delete"]
    path: str
    handler: Handler
    summary: str
    responses: Mapping[int, Any]
    """The type of the JSON response by status, or a sentence if there is none."""
    errors: tuple[Code, ...] = ()
    body: type[BaseModel] | None = None
    body_required: bool = True
    form: type[BaseModel] | None = None
    """The body as `multipart/form-data`."""
    query: type[BaseModel] | None = None
    streams: bool = False
    """Whether it can respond with `text/event-stream`."""
    public: bool = False
    """Whether it needs no credential in the header."""
    needs: Right = "admin"
    """The right that the role of an API key must include."""
    action: Action | None = None
    """What is recorded in the audit when it succeeds."""
    allow_head: bool = True
    """Whether HEAD is answered too. Streams write to the connection directly."""


_VIEW = (Code.UNAUTHORIZED, Code.FORBIDDEN, Code.NOT_FOUND, Code.GONE)
_BODY = (Code.INVALID_REQUEST, Code.INVALID_INPUT, Code.PAYLOAD_TOO_LARGE, Code.UNSUPPORTED_MEDIA_TYPE)
_UPSTREAM = (Code.UPSTREAM_REJECTED, Code.UPSTREAM_UNAVAILABLE, Code.RATE_LIMITED, Code.INSUFFICIENT_BALANCE)

_WEBSOCKET = (Code.INVALID_REQUEST, Code.FORBIDDEN)
_SWITCHED = "A WebSocket with the subprotocol relay.v1. Other errors are close codes, sent after it was accepted."
_ENDED = "Every task has ended and the client has all events: do not reconnect."

ROUTES = (
    Route(
        method="post",
        path="/v1/tasks",
        handler=tasks.start,
        action=Action.START,
        needs="start",
        summary="Start a task",
        body=StartBody,
        form=StartForm,
        responses={201: responses.Started, 202: responses.Started},
        errors=(Code.UNAUTHORIZED, Code.FORBIDDEN, Code.CONFLICT, *_BODY, *_UPSTREAM, Code.DRAINING),
    ),
    Route(
        method="post",
        path="/v1/tasks/attach",
        handler=tasks.attach,
        action=Action.ATTACH,
        needs="start",
        summary="Follow a task that was started elsewhere",
        body=AttachBody,
        responses={200: responses.Started, 201: responses.Started},
        errors=(Code.UNAUTHORIZED, Code.FORBIDDEN, Code.NOT_FOUND, *_BODY, *_UPSTREAM, Code.DRAINING),
    ),
    Route(
        method="get",
        path="/v1/tasks",
        handler=tasks.index,
        needs="view",
        summary="List tasks without log and segments",
        query=ListQuery,
        responses={200: responses.TaskList},
        errors=(Code.UNAUTHORIZED, Code.FORBIDDEN, Code.INVALID_REQUEST, Code.INVALID_INPUT),
    ),
    Route(
        method="get",
        path="/v1/tasks/counts",
        handler=tasks.counts,
        needs="view",
        summary="Count tasks by state",
        query=CountQuery,
        responses={200: responses.TaskCounts},
        errors=(Code.UNAUTHORIZED, Code.FORBIDDEN, Code.INVALID_INPUT),
    ),
    Route(
        method="get",
        path="/v1/tasks/{id}",
        handler=tasks.show,
        needs="view",
        summary="Show a task's state, now or when it has ended",
        query=ShowQuery,
        responses={200: Snapshot},
        errors=(*_VIEW, Code.INVALID_INPUT),
    ),
    Route(
        method="delete",
        path="/v1/tasks/{id}",
        handler=tasks.delete,
        action=Action.DELETE,
        summary="Delete a task with all its data",
        query=DeleteQuery,
        responses={204: "The task is deleted, by this call or by an earlier one."},
        errors=(Code.UNAUTHORIZED, Code.FORBIDDEN, Code.NOT_FOUND, Code.CONFLICT, *_UPSTREAM),
    ),
    Route(
        method="delete",
        path="/v1/tasks",
        handler=tasks.delete_tagged,
        action=Action.DELETE,
        summary="Delete all tasks of a tag",
        query=DeleteTaggedQuery,
        responses={200: responses.DeletionReport},
        errors=(Code.UNAUTHORIZED, Code.FORBIDDEN, Code.INVALID_INPUT),
    ),
    Route(
        method="get",
        path="/v1/tasks/{id}/input",
        handler=tasks.show_input,
        needs="input",
        summary="Show what a task was started with",
        responses={200: responses.Input},
        errors=_VIEW,
    ),
    Route(
        method="get",
        path="/v1/tasks/{id}/outputs/{n}/{name}",
        handler=outputs.show,
        needs="view",
        summary="Get a result as a file",
        query=outputs.OutputQuery,
        responses={200: "The file.", 206: "A part of the file.", 302: "The file is at the URL in Location."},
        errors=(*_VIEW, Code.INVALID_INPUT),
    ),
    Route(
        method="get",
        path="/v1/tasks/{id}/outputs",
        handler=outputs.index,
        needs="view",
        summary="List the results that are files, and what became of their copies",
        responses={200: responses.OutputList},
        errors=_VIEW,
    ),
    Route(
        method="get",
        path="/v1/tasks/{id}/outputs.zip",
        handler=zipped_outputs.download,
        needs="view",
        summary="Download all results that are files as one ZIP archive",
        responses={200: "The archive, sent while the results are read."},
        errors=(*_VIEW, Code.PAYLOAD_TOO_LARGE, Code.RATE_LIMITED, Code.UPSTREAM_UNAVAILABLE),
        allow_head=False,
    ),
    Route(
        method="get",
        path="/v1/tasks/{id}/inputs/{n}/{name}",
        handler=outputs.show_input,
        needs="input",
        summary="Get a file that the task was started with",
        responses={200: "The file.", 206: "A part of the file.", 302: "The file is at the URL in Location."},
        errors=_VIEW,
    ),
    Route(
        method="get",
        path="/v1/tasks/{id}/events",
        handler=tasks.events,
        needs="view",
        summary="Read a task's log; with Accept: text/event-stream, follow it",
        query=EventsQuery,
        responses={200: responses.History, 204: _ENDED},
        errors=(*_VIEW, Code.INVALID_INPUT),
        streams=True,
        allow_head=False,
    ),
    Route(
        method="get",
        path="/v1/tasks/{id}/ws",
        handler=websocket.serve_task,
        needs="view",
        summary="Follow one task over a WebSocket",
        responses={101: _SWITCHED},
        errors=_WEBSOCKET,
        allow_head=False,
    ),
    Route(
        method="get",
        path="/v1/ws",
        handler=websocket.serve_topics,
        needs="view",
        summary="Follow many tasks over one WebSocket",
        responses={101: _SWITCHED},
        errors=_WEBSOCKET,
        allow_head=False,
    ),
    Route(
        method="get",
        path="/v1/events",
        handler=events.get,
        needs="view",
        summary="Follow many tasks and tags; without Accept: text/event-stream, show how each begins",
        query=SubscriptionsQuery,
        responses={200: responses.Messages, 204: _ENDED},
        errors=(Code.UNAUTHORIZED, Code.INVALID_INPUT),
        streams=True,
        allow_head=False,
    ),
    Route(
        method="post",
        path="/v1/events",
        handler=events.post,
        needs="view",
        summary="Follow many tasks and tags, each with its cursor and token",
        body=SubscriptionsBody,
        responses={200: responses.Messages, 204: _ENDED},
        errors=(Code.UNAUTHORIZED, *_BODY),
        streams=True,
        public=True,
    ),
    Route(
        method="post",
        path="/v1/tasks/{id}/cancel",
        handler=tasks.cancel,
        action=Action.CANCEL,
        needs="cancel",
        summary="Ask the platform to stop a task",
        responses={202: Snapshot},
        errors=(*_VIEW, Code.CONFLICT, *_UPSTREAM),
    ),
    Route(
        method="post",
        path="/v1/tasks/{id}/again",
        handler=tasks.again,
        action=Action.AGAIN,
        needs="start",
        summary="Run a task again, with edits of its input",
        body=AgainBody,
        body_required=False,
        responses={201: responses.StartedAgain, 202: responses.StartedAgain},
        errors=(*_VIEW, Code.CONFLICT, *_BODY, *_UPSTREAM, Code.STORE_UNAVAILABLE, Code.DRAINING),
    ),
    Route(
        method="post",
        path="/v1/tasks/{id}/tokens",
        handler=tasks.mint,
        action=Action.MINT,
        needs="view",
        summary="Mint a viewer token",
        body=TokenBody,
        body_required=False,
        responses={200: responses.Token},
        errors=(*_VIEW, *_BODY, Code.RATE_LIMITED),
    ),
    Route(
        method="post",
        path="/v1/tokens",
        handler=tasks.mint_for_tag,
        action=Action.MINT,
        needs="view",
        summary="Mint a viewer token for all tasks of a tag",
        body=TagTokenBody,
        responses={200: responses.TagToken},
        errors=(Code.UNAUTHORIZED, Code.FORBIDDEN, *_BODY, Code.RATE_LIMITED),
    ),
    Route(
        method="post",
        path="/v1/tokens/revoke",
        handler=revoking.revoke,
        action=Action.REVOKE,
        summary="Revoke a token, all tokens of a task or a tag, or all sign-in links",
        body=revoking.RevokeBody,
        responses={200: responses.RevokedTokens},
        errors=(Code.UNAUTHORIZED, Code.FORBIDDEN, *_BODY, Code.STORE_UNAVAILABLE),
    ),
    Route(
        method="post",
        path="/v1/login",
        handler=login.login,
        summary="Exchange the code of a sign-in link for the API key",
        body=login.LoginBody,
        responses={200: responses.SignedIn},
        errors=(Code.UNAUTHORIZED, *_BODY),
        public=True,
    ),
    Route(
        method="get",
        path="/v1/models",
        handler=models.index,
        needs="view",
        summary="List the models of the catalogue",
        responses={200: responses.ModelList},
        errors=(Code.UNAUTHORIZED, Code.FORBIDDEN),
    ),
    Route(
        method="get",
        path="/v1/models/{owner}/{name}",
        handler=models.show,
        needs="view",
        summary="Show the inputs of a model, including models that are not in the catalogue",
        query=models.ModelQuery,
        responses={200: responses.DetailedModel},
        errors=(*_VIEW, *_UPSTREAM),
    ),
    Route(
        method="post",
        path="/v1/estimate",
        handler=stats.estimate,
        needs="view",
        summary="Estimate how long a run takes and what it costs",
        body=stats.EstimateBody,
        responses={200: responses.Estimate},
        errors=(Code.UNAUTHORIZED, Code.FORBIDDEN, *_BODY),
    ),
    Route(
        method="get",
        path="/v1/stats",
        handler=stats.show,
        needs="view",
        summary="Show how tasks ended, how long they took and what they cost, by model and day",
        query=stats.StatsQuery,
        responses={200: responses.Stats},
        errors=(Code.UNAUTHORIZED, Code.FORBIDDEN, Code.INVALID_INPUT),
    ),
    Route(
        method="post",
        path="/v1/files",
        handler=files.upload,
        needs="start",
        summary="Upload a file to the platform's file store",
        form=FileForm,
        responses={201: responses.UploadedFile},
        errors=(Code.UNAUTHORIZED, Code.FORBIDDEN, *_BODY, *_UPSTREAM),
    ),
    Route(
        method="post",
        path="/v1/folders",
        handler=files.create_folder,
        needs="start",
        summary="Create a folder in the platform's file store",
        body=FolderBody,
        responses={201: responses.CreatedFolder},
        errors=(Code.UNAUTHORIZED, Code.FORBIDDEN, *_BODY, *_UPSTREAM),
    ),
    Route(
        method="get",
        path="/v1/webhooks",
        handler=webhooks.index,
        summary="List webhooks, newest first, and what has become of each",
        query=webhooks.WebhooksQuery,
        responses={200: responses.WebhookList},
        errors=(Code.UNAUTHORIZED, Code.FORBIDDEN, Code.INVALID_INPUT),
    ),
    Route(
        method="post",
        path="/v1/webhooks/{id}/again",
        handler=webhooks.again,
        summary="Send a webhook again",
        responses={202: responses.Webhook},
        errors=_VIEW,
    ),
    Route(
        method="get",
        path="/v1/audit",
        handler=audit.index,
        summary="List who has done what, newest first, and failed authentications",
        query=audit.AuditQuery,
        responses={200: responses.AuditList},
        errors=(Code.UNAUTHORIZED, Code.FORBIDDEN, Code.INVALID_INPUT),
    ),
    Route(
        method="get",
        path="/livez",
        handler=health.live,
        summary="Check whether the process answers",
        responses={200: responses.Liveness},
        public=True,
    ),
    Route(
        method="get",
        path="/readyz",
        handler=health.ready,
        summary="Check whether the relay accepts new requests",
        responses={200: responses.Readiness, 503: responses.Readiness},
        public=True,
    ),
)
