"""POST /Tool/…: the catalogue of models, in the shape of the documents."""

import orjson
from aiohttp import web

from relay.sandbox import answers, bodies
from relay.sandbox.models import MODELS, Input, Model, find


async def listing(request: web.Request, _account: str) -> web.Response:
    """Show the models that a search fits."""
    body = await _body(request)
    search, owner = bodies.text(body, "search").lower(), bodies.text(body, "slugowner").lower()
    found = [
        model
        for model in MODELS
        if search in f"{model.slug} {model.description}".lower() and owner in ("", model.owner.lower())
    ]
    start, limit = bodies.text(body, "start"), bodies.text(body, "limit")
    first = int(start) if start.isdecimal() else 0
    page = found[first : first + (int(limit) if limit.isdecimal() else 20)]
    return answers.ok({"total": str(len(found)), "tool": [_entry(model) for model in page]})


async def detail(request: web.Request, _account: str) -> web.Response:
    """Show one model with its inputs."""
    body = await _body(request)
    model = find(bodies.text(body, "slugowner"), bodies.text(body, "slugproject"))
    if model is None:
        return answers.refused(1, "slug-owner-project-not-exist")
    entry = _entry(model) | {
        "readme": f"# {model.title}\n\n{model.description}.",
        "inspire": [],
        "samples": [],
        "parameters": [{"title": "Inputs", "items": [_item(item) for item in model.inputs]}],
    }
    return answers.ok({"total": "1", "tool": [entry]})


async def _body(request: web.Request) -> dict[str, object]:
    try:
        return bodies.values(await bodies.read(request))
    except bodies.BadBody:
        return {}


def _entry(model: Model) -> dict[str, object]:
    return {
        "id": str(model.id),
        "title": model.title,
        "slugowner": model.owner,
        "slugproject": model.project,
        "cleanslugowner": model.owner.lower(),
        "cleanslugproject": model.project.lower(),
        "description": model.description,
        "seodescription": model.description,
        "image": "",
        "computingtime": f"{model.computing_s} seconds",
        "categories": ["tool", "partner", f"text-to-{model.kind}"],
        "tags": [model.owner],
        "marketplace": 1,
        "onlymembers": "1",
        "averagepoint": "5.00",
        "dynamicprice": orjson.dumps([{"inputs": {}, "price": model.cps, "priceMethod": "cps"}]).decode(),
        "cps": f"{model.cps:.12f}",
        "approximatelycost": f"{model.cps * model.computing_s:.12f}",
        "taskstat": {"runcount": 452, "successcount": "431", "errorcount": "21", "lastruntime": "1774007585"},
    }


def _item(item: Input) -> dict[str, object]:
    shown: dict[str, object] = {
        "id": item.id,
        "type": item.type,
        "label": item.label,
        "required": item.required,
        "default": item.default,
        "placeholder": "",
        "note": "",
        "options": [{"label": option, "value": option} for option in item.options],
        "advanced": False,
    }
    if item.least is not None:
        shown |= {"min": item.least, "max": item.most}
    return shown
