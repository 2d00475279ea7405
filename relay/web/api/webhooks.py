"""The calls on webhooks: list what has become of them, and have one sent again."""

from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from relay.journal.outbox import Delivery, DeliveryFilter, Status
from relay.web.api.responses import Webhook, WebhookList
from relay.web.http.context import context
from relay.web.http.credentials import require_key
from relay.web.http.json_body import json_response
from relay.web.http.queries import read_query


class WebhooksQuery(BaseModel):
    """`GET /v1/webhooks`."""

    model_config = ConfigDict(extra="forbid")

    task: str | None = None
    status: Status | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[int, Field(ge=1, le=2**53)] | None = None


async def index(request: web.Request) -> web.Response:
    """`GET /v1/webhooks`."""
    require_key(request)
    query = read_query(request, WebhooksQuery)
    where = DeliveryFilter(task=query.task, status=query.status)
    found = await context(request).webhooks.page(where, before=query.cursor, limit=query.limit + 1)
    shown = found[: query.limit]
    body = WebhookList(
        webhooks=[_shown(each) for each in shown], next=str(shown[-1].number) if len(found) > query.limit else None
    )
    return json_response(body)


async def again(request: web.Request) -> web.Response:
    """`POST /v1/webhooks/{id}/again`."""
    require_key(request)
    return json_response(_shown(await context(request).webhooks.again(request.match_info["id"])), 202)


def _shown(delivery: Delivery) -> Webhook:
    return {
        "id": delivery.webhook.id,
        "type": delivery.webhook.type,
        "task": delivery.webhook.task,
        "url": delivery.webhook.url,
        "status": delivery.status,
        "attempts": delivery.attempts,
        "created_at": delivery.webhook.created_at,
        "tried_at": delivery.tried_at,
        "answer": delivery.answer,
        "next_in_s": delivery.next_in_s,
    }
