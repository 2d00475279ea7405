"""
Describe a model as an OpenAPI 3.0.3 document, for Tool/DetailOpenAPI. It covers the Run request only.

The structure follows the documents at https://github.com/ersinkoc/wiro-ai/tree/main/models.
"""

from relay.sandbox.wiro.models import Input, Model


def document(model: Model, *, signed: bool, base: str) -> dict[str, object]:
    """Return the document of a model, for projects that sign their calls or for projects with only a key."""
    names = {"ApiKeyAuth": "x-api-key"}
    if signed:
        names |= {"NonceAuth": "x-nonce", "SignatureAuth": "x-signature"}
    reference = {"$ref": "#/components/schemas/RunToolSchema"}
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
                            "application/json": {"schema": reference},
                            "multipart/form-data": {"schema": reference},
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
    schema: dict[str, object] = {
        "type": "object",
        "properties": {item.id: _property(item) for item in model.inputs},
    }
    if required := [item.id for item in model.inputs if item.required]:
        schema["required"] = required
    return schema


def _property(item: Input) -> dict[str, object]:
    schema: dict[str, object] = {
        "title": item.label,
        "description": item.note,
        "type": "number" if item.type == "number" else "string",
        "x-input-type": item.type,
        "x-label": item.label,
        "x-help": item.note,
    }
    if item.max_files:
        schema["format"] = "uri"
    if item.default:
        schema["default"] = item.default
    if item.options:
        schema["enum"] = list(item.options)
        schema["x-options"] = [{"value": value, "label": label} for value, label in item.options.items()]
    if item.minimum is not None:
        schema |= {"minimum": item.minimum, "maximum": item.maximum}
    return schema
