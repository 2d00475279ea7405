"""
A model as an OpenAPI 3.0.3 document, as Tool/DetailOpenAPI gives it: what a Run takes, and nothing of what comes after.

The shape is that of the documents at https://github.com/ersinkoc/wiro-ai/tree/main/models; the words are our own.
"""

from relay.sandbox.wiro.models import Input, Model


def document(model: Model, *, signed: bool, base: str) -> dict[str, object]:
    """Return the document of a model, for signed projects or for those authorized by their key alone."""
    names = {"ApiKeyAuth": "x-api-key"}
    if signed:
        names |= {"NonceAuth": "x-nonce", "SignatureAuth": "x-signature"}
    schema = {"$ref": "#/components/schemas/RunToolSchema"}
    return {
        "openapi": "3.0.3",
        "info": {"title": f"{model.slug} API", "description": model.description, "version": "1.0.0"},
        "servers": [{"url": base}],
        "security": [{key: [] for key in names}],
        "paths": {
            f"/Run/{model.slug.lower()}": {
                "post": {
                    "summary": f"Run {model.title}",
                    "description": f"{model.description}.\n\n**Processing Time:** {model.computing_s} seconds",
                    "operationId": "run" + "".join(filter(str.isalnum, model.project.lower())),
                    "requestBody": {
                        "required": True,
                        "content": {
                            "application/json": {"schema": schema},
                            "multipart/form-data": {"schema": schema},
                        },
                    },
                    "responses": {"200": {"description": "Task created"}},
                }
            }
        },
        "components": {
            "schemas": {"RunToolSchema": _inputs(model)},
            "securitySchemes": {
                scheme: {"type": "apiKey", "in": "header", "name": name} for scheme, name in names.items()
            },
        },
    }


def _inputs(model: Model) -> dict[str, object]:
    shown: dict[str, object] = {
        "type": "object",
        "properties": {item.id: _property(item) for item in model.inputs},
    }
    if required := [item.id for item in model.inputs if item.required]:
        shown["required"] = required
    return shown


def _property(item: Input) -> dict[str, object]:
    shown: dict[str, object] = {
        "title": item.label,
        "description": item.note,
        "type": "number" if item.type == "number" else "string",
        "x-input-type": item.type,
        "x-label": item.label,
        "x-help": item.note,
    }
    if item.most_files:
        shown["format"] = "uri"
    if item.default:
        shown["default"] = item.default
    if item.options:
        shown["enum"] = list(item.options)
        shown["x-options"] = [{"value": value, "label": label} for value, label in item.options.items()]
    if item.least is not None:
        shown |= {"minimum": item.least, "maximum": item.most}
    return shown
