"""
POST /Tool/…: the catalogue of models, in the shape of the documents.

The shapes of Explore are those of Wiro's own MCP client, https://github.com/wiroai/Wiro-MCP/blob/main/src/types.ts.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import orjson
from aiohttp import web

from relay.sandbox.shared import http_faults
from relay.sandbox.switches.faults import Faults
from relay.sandbox.wiro import bodies, openapi
from relay.sandbox.wiro.catalogue import MODELS, find
from relay.sandbox.wiro.models import Input, Model

_NO_MODEL: Final = (1, "slug-owner-project-not-exist")
_LAST_RUN: Final = 1774007585


@dataclass(frozen=True, slots=True)
class Tools:
    """Answers the calls about models. They belong to no task, so their switches are the server's."""

    faults: Faults

    async def listing(self, request: web.Request, _account: str) -> web.Response:
        """Show the models that fit a search: any of its words, any of the categories, any of the tags."""
        body = await bodies.mapping(request, self.faults)
        search, owner = bodies.text(body, "search").lower().split(), bodies.text(body, "slugowner").lower()
        categories, tags = _words(body.get("categories")), _words(body.get("tags"))
        found = [
            model
            for model in MODELS
            if (not search or _hits(model, search))
            and owner in ("", model.owner.lower())
            and _any_of(categories, model.categories)
            and _any_of(tags, model.tags)
        ]
        _sort(found, bodies.text(body, "sort"), bodies.text(body, "order"), search)
        first, limit = _number(bodies.text(body, "start"), 0), _number(bodies.text(body, "limit"), 20)
        page = [_entry(model, request.host) for model in found[first : first + limit]]
        return http_faults.ok({"total": str(len(found)), "tool": page})

    async def detail(self, request: web.Request, _account: str) -> web.Response:
        """Show one model with its inputs."""
        model = await self._named(request)
        if model is None:
            return http_faults.refused(*_NO_MODEL)
        items = [self._item(item) for item in model.inputs]
        entry = _entry(model, request.host) | {
            "readme": f"<p>{model.description}.</p>",
            "inspire": [{"prompt": prompt} for prompt in model.inspires],
            "samples": [_cover(model, request.host)],
            "dynamicprice": self._price(model),
            "parameters": None if self.faults.parameters == "null" else [{"title": "Inputs", "items": items}],
            "seotitle": model.title,
        }
        return http_faults.ok({"total": "1", "tool": [entry]})

    async def explore(self, request: web.Request, _account: str) -> web.Response:
        """Show the categories, each with its models."""
        names = sorted({name for model in MODELS for name in model.categories} - {"tool", "partner"})
        categories = []
        for number, name in enumerate(names, start=1):
            models = [_entry(model, request.host) for model in MODELS if name in model.categories]
            url = f"http://{request.host}/models?categories={name}"
            categories.append({"id": str(number), "title": name, "tools": models, "url": url, "total": len(models)})
        return http_faults.ok({"explore": categories})

    async def specification(self, request: web.Request, _account: str) -> web.Response:
        """Show one model as an OpenAPI document, for each way of authorization. There is no envelope."""
        model = await self._named(request)
        if model is None:
            return http_faults.refused(*_NO_MODEL)
        specs = [
            {
                "type": kind,
                "spec": openapi.document(model, signed=kind == "signature", base=f"http://{request.host}/v1"),
            }
            for kind in ("signature", "apikey")
        ]
        return web.Response(body=orjson.dumps(specs), content_type="application/json")

    async def _named(self, request: web.Request) -> Model | None:
        body = await bodies.mapping(request, self.faults)
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
        shown: dict[str, object] = {
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
            "advanced": False,
        }
        if item.least is not None:
            shown |= {"min": item.least, "max": item.most}
        return shown


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


def _hits(model: Model, words: Iterable[str]) -> int:
    """Return how many words of a search a model's texts have, as words or as the beginnings of words."""
    text = f"{model.slug} {model.title} {model.description} {' '.join((*model.categories, *model.tags))}".lower()
    return sum(re.search(rf"(?<!\w){re.escape(word)}", text) is not None for word in words)


def _sort(found: list[Model], by: str, order: str, search: list[str]) -> None:
    """Sort in place. Without a known key the order is that of relevance: most hits first, as they stand otherwise."""
    keys: dict[str, Callable[[Model], int]] = {
        "id": lambda model: model.id,
        "time": lambda model: model.id,
        "commentcount": lambda model: model.comments,
        "ratedusercount": lambda model: model.ratings,
        "averagepoint": lambda _model: 5,
    }
    key = keys.get(by, lambda model: _hits(model, search))
    found.sort(key=key, reverse=order.upper() != "ASC")


def _words(value: object) -> tuple[str, ...]:
    """Return a list of texts, or a text that has them between commas, in lowercase."""
    parts = value if isinstance(value, list) else str(value or "").split(",")
    return tuple(filter(None, (str(part).strip().lower() for part in parts)))


def _any_of(wanted: tuple[str, ...], has: tuple[str, ...]) -> bool:
    return not wanted or any(name.lower() in wanted for name in has)


def _number(text: str, default: int) -> int:
    return int(text) if text.isdecimal() else default
