"""`GET /v1/models`: the models that can be started, with the description of their inputs for forms and clients."""

import re

from aiohttp import web
from pydantic import BaseModel

from relay.access.starts import StartPermit
from relay.catalogue import model as catalogue
from relay.catalogue.schema import schema
from relay.errors import Code, RequestError
from relay.web.api.fields import MODEL_PATTERN
from relay.web.api.responses import DetailedModel, Model, ModelInput, ModelList
from relay.web.http.context import context
from relay.web.http.credentials import require_models
from relay.web.http.json_body import json_response
from relay.web.http.queries import read_query


class ModelQuery(BaseModel):
    """`GET /v1/models/{owner}/{name}`."""

    provider: str | None = None


async def index(request: web.Request) -> web.Response:
    """`GET /v1/models`: the models of the catalogue."""
    grant, models = require_models(request), context(request).models
    rules = StartPermit(grant, models).rules
    listed = [model for model in models if rules.allows_model(model.model)]
    return json_response(ModelList(models=[to_response(model, models.is_available(model)) for model in listed]))


async def show(request: web.Request) -> web.Response:
    """`GET /v1/models/{owner}/{name}`: a model of the catalogue, or one that the platform describes."""
    grant, models = require_models(request), context(request).models
    name = f"{request.match_info['owner']}/{request.match_info['name']}"
    StartPermit(grant, models).check_model(name)
    provider = read_query(request, ModelQuery).provider
    model = await models.find(name, provider) if re.fullmatch(MODEL_PATTERN, name) else None
    if model is None:
        raise RequestError(Code.NOT_FOUND, "There is no such model.")
    usual = await context(request).tasks.usual(model.provider, model.model)
    return json_response(DetailedModel(**to_response(model, models.is_available(model)), usual=usual))


def to_response(model: catalogue.Model, available: bool) -> Model:
    """Return a model for the API; `available` is whether the relay has credentials for its provider."""
    return {
        "model": model.model,
        "provider": model.provider,
        "available": available,
        "title": model.title,
        "description": model.description,
        "inputs": [_input(each) for each in model.inputs],
        "inspires": model.inspires,
        "schema": schema(model),
    }


def _input(each: catalogue.Input) -> ModelInput:
    limits = {
        "minimum": each.minimum,
        "maximum": each.maximum,
        "integer": each.integer or None,
        "max_length": each.max_length,
        "max_items": each.max_items,
        "pattern": each.pattern,
    }
    return {
        "name": each.key,
        "label": each.label,
        "help": each.help,
        "type": each.type,
        "required": each.required and each.default is None,
        "default": each.default,
        "options": each.options,
        "part": each.name if each.takes_files else None,
        "accept": each.accept,
        "limits": {name: limit for name, limit in limits.items() if limit is not None},
    }
