"""
Handle POST /Tool/…: list, search and describe the models of the catalogue.

Explore follows the types of Wiro's own MCP client: https://github.com/wiroai/Wiro-MCP/blob/main/src/types.ts
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import orjson
from aiohttp import web

from relay.sandbox.switches.faults import Faults
from relay.sandbox.wiro import bodies, envelope, openapi
from relay.sandbox.wiro.catalogue import MODELS, find
from relay.sandbox.wiro.models import Input, Model

_NO_MODEL: Final = (1, "slug-owner-project-not-exist")
_LAST_RUN: Final = 1774007585


@dataclass(frozen=True, slots=True)
class ToolCalls:
    """Calls about models. They belong to no task, so only the server's default switches apply."""

    faults: Faults

    async def list(self, request: web.Request, _account: str) -> web.Response:
        """Return the models that match any word of the search, any of the categories and any of the tags."""
        body = await bodies.read_values(request, self.faults)
        search, owner = bodies.text(body, "search").lower().split(), bodies.text(body, "slugowner").lower()
        categories, tags = _strings(body.get("categories")), _strings(body.get("tags"))
        models = [
            model
            for model in MODELS
            if (not search or _matches(model, search))
            and owner in ("", model.owner.lower())
            and _any_of(categories, model.categories)
            and _any_of(tags, model.tags)
        ]
        _sort(models, bodies.text(body, "sort"), bodies.text(body, "order"), search)
        first, limit = _number(bodies.text(body, "start"), 0), _number(bodies.text(body, "limit"), 20)
        page = [_entry(model, request.host) for model in models[first : first + limit]]
        return envelope.ok({"total": str(len(models)), "tool": page})

    async def detail(self, request: web.Request, _account: str) -> web.Response:
        """Return one model with its inputs."""
        model = await self._requested(request)
        if model is None:
            return envelope.error(*_NO_MODEL)
        items = [self._item(item) for item in model.inputs]
        entry = _entry(model, request.host) | {
            "readme": f"<p>{model.description}.</p>",
            "inspire": [{"prompt": prompt} for prompt in model.inspires],
            "samples": [_cover(model, request.host)],
            "dynamicprice": self._price(model),
            "parameters": None if self.faults.parameters == "null" else [{"title": "Inputs", "items": items}],
            "seotitle": model.title,
        }
        return envelope.ok({"total": "1", "tool": [entry]})

    async def explore(self, request: web.Request, _account: str) -> web.Response:
        """Return the categories, each with its models."""
        names = sorted({name for model in MODELS for name in model.categories} - {"tool", "partner"})
        categories = []
        for number, name in enumerate(names, start=1):
            models = [_entry(model, request.host) for model in MODELS if name in model.categories]
            url = f"http://{request.host}/models?categories={name}"
            categories.append({"id": str(number), "title": name, "tools": models, "url": url, "total": len(models)})
        return envelope.ok({"explore": categories})

    async def specification(self, request: web.Request, _account: str) -> web.Response:
        """Return OpenAPI documents for a model, one for each kind of authorization, without an envelope."""
        model = await self._requested(request)
        if model is None:
            return envelope.error(*_NO_MODEL)
        specs = [
            {
                "type": kind,
                "spec": openapi.document(model, signed=kind == "signature", base=f"http://{request.host}/v1"),
            }
            for kind in ("signature", "apikey")
        ]
        return web.Response(body=orjson.dumps(specs), content_type="application/json")

    async def _requested(self, request: web.Request) -> Model | None:
        body = await bodies.read_values(request, self.faults)
        return find(bodies.text(body, "slugowner"), bodies.text(body, "slugproject"))

    def _price(self, model: Model) -> object:
        match self.faults.dynamicprice:
            case "json":
                return orjson.dumps(_prices(model)).decode()
            case "array":
                return _prices(model)
            case "object":
                return _prices(model)[0]

    def _item(self, item: Input) -> dict[str, object]:
        has_values = self.faults.option_values
        entry: dict[str, object] = {
            "id": item.id,
            "type": self.faults.number_type if item.type == "number" else item.type,
            "label": item.label,
            "required": item.required,
            "default": item.default,
            "placeholder": "",
            "note": item.note,
            "options": [
                {"label": label, "value": value} if has_values else {"label": label}
                for value, label in item.options.items()
            ],
            "advanced": item.advanced,
        }
        if item.minimum is not None:
            entry |= {"min": item.minimum, "max": item.maximum}
        return entry


def _entry(model: Model, host: str) -> dict[str, object]:
    return {
        "id": str(model.id),
        "title": model.title,
        "slugowner": model.owner,
        "slugproject": model.project,
        "cleanslugowner": model.owner.lower(),
        "cleanslugproject": model.project.lower(),
        "description": model.description,
        "seodescription": model.description,
        "image": _cover(model, host),
        "computingtime": f"{model.computing_s} seconds",
        "categories": list(model.categories),
        "tags": list(model.tags),
        "marketplace": 1,
        "onlymembers": "1",
        "averagepoint": "5.00",
        "commentcount": str(model.comments),
        "ratedusercount": str(model.ratings),
        "dynamicprice": orjson.dumps(_prices(model)).decode(),
        "cps": f"{model.cps:.12f}",
        "approximatelycost": f"{model.cps * model.computing_s:.12f}",
        "taskstat": {
            "runcount": model.runs,
            "successcount": str(model.runs - model.failures),
            "errorcount": str(model.failures),
            "lastruntime": str(_LAST_RUN),
        },
    }


def _prices(model: Model) -> list[dict[str, object]]:
    return [{"inputs": {}, "price": model.cps, "priceMethod": "cps"}]


def _cover(model: Model, host: str) -> str:
    return f"http://{host}/cdn/covers/{model.project}.png"


def _matches(model: Model, words: Iterable[str]) -> int:
    """Return how many of the words begin a word in the model's texts."""
    text = f"{model.slug} {model.title} {model.description} {' '.join((*model.categories, *model.tags))}".lower()
    return sum(re.search(rf"(?<!\w){re.escape(word)}", text) is not None for word in words)


def _sort(models: list[Model], by: str, order: str, search: list[str]) -> None:
    """Sort in place by a key, or by relevance (most matching words first) if the key is unknown."""
    keys: dict[str, Callable[[Model], int]] = {
        "id": lambda model: model.id,
        "time": lambda model: model.id,
        "commentcount": lambda model: model.comments,
        "ratedusercount": lambda model: model.ratings,
        "averagepoint": lambda _model: 5,
    }
    key = keys.get(by, lambda model: _matches(model, search))
    models.sort(key=key, reverse=order.upper() != "ASC")


def _strings(value: object) -> tuple[str, ...]:
    """Return a list of strings, or a comma-separated string, as lowercase strings."""
    parts = value if isinstance(value, list) else str(value or "").split(",")
    return tuple(filter(None, (str(part).strip().lower() for part in parts)))


def _any_of(wanted: tuple[str, ...], has: tuple[str, ...]) -> bool:
    return not wanted or any(name.lower() in wanted for name in has)


def _number(text: str, default: int) -> int:
    return int(text) if text.isdecimal() else default
