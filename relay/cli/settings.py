"""`relay config`: print the settings in effect and where each one comes from. Secrets are masked."""

from collections.abc import Mapping
from pathlib import Path

import orjson

from relay.cli.output import say
from relay.config import Config, load_with_origins
from relay.net.receiver_url import ReceiverUrl

_WIDEST = 40
"""Longer values do not move the column after them."""


def print_settings(*, as_json: bool) -> None:
    """
    Print all settings in the order of docs/configuration.md.

    Args:
        as_json: print an object instead of a table. Its keys are the names of the settings, and its values have the
            keys `value`, `origin` (`default`, `environment` or `file`) and `file`.

    Raises:
        ConfigError: a setting is invalid.
    """
    settings, files = load_with_origins()
    values = public_values(settings)
    if as_json:
        found = {name: {"value": value, **_origin(name, files)} for name, value in values.items()}
        say(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
        return
    texts = {name: shown(value) for name, value in values.items()}
    width = max(len(text) for text in texts.values() if len(text) <= _WIDEST)
    for name, text in texts.items():
        origin = _origin(name, files)
        say(f"{name:26} {text:{width}} {origin['file'] or origin['origin']}")


def public_values(settings: Config) -> Mapping[str, object]:
    """Return the values by the names of the settings, without secrets: numbers, texts, lists of texts, or None."""
    # A store and a receiver of webhooks can have a secret in their URLs. Of a key, its name and role are shown.
    safe = {
        "store": settings.store_name,
        "webhook_urls": tuple(map(ReceiverUrl.parse, settings.webhook_urls)),
        "api_keys": settings.keys,
    }
    return {
        str(field.alias): _public(safe.get(name, getattr(settings, name)))
        for name, field in Config.model_fields.items()
    }


def shown(value: object) -> str:
    """Return a value of `public_values` as text."""
    if value is None or value == []:
        return "-"
    return ", ".join(value) if isinstance(value, list) else str(value)


def _public(value: object) -> object:
    if value is None or isinstance(value, int | float):
        return value
    return [str(part) for part in value] if isinstance(value, tuple) else str(value)


def _origin(name: str, files: Mapping[str, Path | None]) -> dict[str, str | None]:
    if name not in files:
        return {"origin": "default", "file": None}
    file = files[name]
    return {"origin": "environment", "file": None} if file is None else {"origin": "file", "file": str(file.absolute())}
