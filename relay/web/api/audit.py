"""`GET /v1/audit`: who did what, and failed authentications."""

from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from relay.core.tag import Tag
from relay.journal.audit import Action, AuditFilter, StoredEntry
from relay.web.api.fields import Timestamp
from relay.web.api.responses import AuditList, AuditRecord
from relay.web.http.context import context
from relay.web.http.credentials import require_key
from relay.web.http.json_body import json_response
from relay.web.http.queries import read_query


class AuditQuery(BaseModel):
    """`GET /v1/audit`."""

    model_config = ConfigDict(extra="forbid")

    action: Action | None = None
    key: Annotated[str, Field(pattern=r"^[a-z0-9_-]{0,32}$")] | None = None
    task: Annotated[str, Field(pattern=r"^[a-z0-9]{1,64}$")] | None = None
    tag: Tag | None = None
    since: Timestamp | None = None
    until: Timestamp | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[int, Field(ge=1, le=2**53)] | None = None

    def to_filter(self) -> AuditFilter:
        """Return the conditions of the query."""
        return AuditFilter(
            action=self.action, key=self.key, task=self.task, tag=self.tag, since=self.since, until=self.until
        )


async def index(request: web.Request) -> web.Response:
    """`GET /v1/audit`."""
    require_key(request)
    query = read_query(request, AuditQuery)
    found = await context(request).audit.page(query.to_filter(), before=query.cursor, limit=query.limit + 1)
    shown = found[: query.limit]
    body = AuditList(
        entries=[_shown(each) for each in shown], next=str(shown[-1].number) if len(found) > query.limit else None
    )
    return json_response(body)


def _shown(stored: StoredEntry) -> AuditRecord:
    entry = stored.entry
    return {
        "at": entry.at,
        "action": entry.action,
        "key": entry.key,
        "subject": entry.subject,
        "address": entry.address,
        "request_id": entry.request_id,
        "task": entry.task,
        "tag": entry.tag,
        "jti": entry.jti,
        "status": entry.status,
        "count": entry.count,
    }
