"""`GET /v1/stats` and `POST /v1/estimate`: what earlier tasks took and cost, and what a new one probably does."""

import asyncio
from typing import Annotated, Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from relay.access.starts import StartPermit
from relay.core.history.report import report
from relay.core.history.tally import DAY_S
from relay.web.api.fields import ModelName
from relay.web.api.responses import Estimate, Stats
from relay.web.http.context import context
from relay.web.http.credentials import require_key, require_models
from relay.web.http.json_body import json_response, read_object
from relay.web.http.queries import read_query


class StatsQuery(BaseModel):
    """`GET /v1/stats`."""

    model_config = ConfigDict(extra="forbid")

    provider: str | None = None
    model: str | None = None
    days: Annotated[int, Field(ge=1, le=366)] = 30
    """How many days, including today, in UTC."""


class EstimateBody(BaseModel):
    """`POST /v1/estimate`."""

    model_config = ConfigDict(extra="forbid")

    model: ModelName
    provider: str | None = None
    input: dict[str, Any] = {}
    """It is not checked, and may be incomplete. Defaults are filled in."""


async def show(request: web.Request) -> web.Response:
    """`GET /v1/stats`."""
    require_key(request)
    query = read_query(request, StatsQuery)
    since = int(context(request).clock() // DAY_S) - query.days + 1
    tallies = await context(request).tasks.tallies(query.provider, query.model, since)
    models = await asyncio.to_thread(report, tallies)  # those of a year can take a second
    return json_response(Stats(days=query.days, models=models))


async def estimate(request: web.Request) -> web.Response:
    """`POST /v1/estimate`."""
    grant, models = require_models(request), context(request).models
    fields = await read_object(request)
    StartPermit(grant, models).check_model(fields.get("model"))
    body = EstimateBody.model_validate(fields)
    provider = models.provider_for(body.model, body.provider)
    given = models.with_defaults(provider, body.model, body.input)
    usual = await context(request).tasks.usual(provider, body.model, given)
    return json_response(Estimate(provider=provider, model=body.model, usual=usual))
