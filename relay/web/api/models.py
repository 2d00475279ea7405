"""`GET /v1/models`: what can be started, with all that a form or a client needs to ask for it."""

import re
from typing import Any

from aiohttp import web

from relay.catalogue.model import Input, Model
from relay.catalogue.schema import schema
from relay.errors import Code, RequestError
from relay.web.api.bodies import MODEL
from relay.web.http.answers import json_answer
from relay.web.http.context import context
from relay.web.http.credentials import require_key

Json = dict[str, Any]


async def index(request: web.Request) -> web.Response:
    """`GET /v1/models`: the catalogue."""
    require_key(request)
    models = context(request).models
    return json_answer({"models": [written(model, models.is_available(model)) for model in models]})


async def show(request: web.Request) -> web.Response:
    """`GET /v1/models/{owner}/{name}`: one model, also one that is not in the catalogue if its platform knows it."""
    require_key(request)
    models = context(request).models
    name = f"{request.match_info['owner']}/{request.match_info['name']}"
    model = await models.find(name, request.query.get("provider")) if re.fullmatch(MODEL, name) else None
    if model is None:
        raise RequestError(Code.NOT_FOUND, "There is no such model.")
    return json_answer(written(model, models.is_available(model)))


def written(model: Model, available: bool) -> Json:
    """Return a model as the API shows it; `available` says whether its provider has credentials here."""
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


def _input(each: Input) -> Json:
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
