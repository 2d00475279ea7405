"""`GET /v1/usage`: how many tasks ended in a period, and what they cost."""

import math
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from relay.core.history.tally import DAY_S
from relay.core.usage_report import By, day_of, summarize
from relay.web.api.fields import Timestamp
from relay.web.api.responses import Usage
from relay.web.http.context import context
from relay.web.http.credentials import require_key
from relay.web.http.json_body import json_response
from relay.web.http.queries import read_query

DEFAULT_DAYS = 30


class UsageQuery(BaseModel):
    """`GET /v1/usage`."""

    model_config = ConfigDict(extra="forbid")

    by: By = "day"
    since: Annotated[Timestamp, Field(ge=0)] | None = None
    """The period begins with the day, in UTC, of this time. Null: 30 days, including today."""
    until: Annotated[Timestamp, Field(ge=0)] | None = None
    """The period ends with the day of this time. Null: today."""


async def show(request: web.Request) -> web.Response:
    """`GET /v1/usage`."""
    require_key(request)
    query, here = read_query(request, UsageQuery), context(request)
    until = math.floor((here.clock() if query.until is None else query.until) / DAY_S)
    since = until - DEFAULT_DAYS + 1 if query.since is None else math.floor(query.since / DAY_S)
    uses = await here.tasks.usage(since=since, until=until, tagged=query.by == "tag")
    body: Usage = {
        "by": query.by,
        "since": day_of(max(0, since)),
        "until": day_of(until),
        "usage": summarize(uses, query.by),
    }
    return json_response(body)
