"""Reload API keys, allowed origins and the log level when the relay receives SIGHUP."""

from collections.abc import Iterable

from relay import log
from relay.access.kept_secrets import api_keys
from relay.app import Running
from relay.config import Config, load
from relay.errors import ConfigError

RELOADED = ("api_keys", "allowed_origins", "log_level")
"""Settings that a reload applies. A change of any other setting needs a restart."""

_log = log.get("relay")


async def reload(relay: Running) -> None:
    """
    Read the settings again and apply those in RELOADED. If any setting is invalid, change nothing.

    The environment of a running process does not change, so only changes of `.env` have an effect.
    """
    try:
        fresh = load()
        keys = await api_keys(fresh, relay.journal)
    except (ConfigError, OSError) as error:
        _log.error(
            "settings.reload_failed", problems=str(error).splitlines(), reason="the current settings stay in effect"
        )
        return
    context = relay.context
    old = context.config
    changed = [name for name in Config.model_fields if getattr(fresh, name) != getattr(old, name)]
    context.config = old.model_copy(update={name: getattr(fresh, name) for name in RELOADED})
    log.set_level(fresh.log_level)
    if context.access.replace_keys(keys):
        context.hub.disconnect_key_holders()
    _log.info(
        "settings.reloaded",
        changed=_names(name for name in changed if name in RELOADED),
        restart_needed=_names(name for name in changed if name not in RELOADED),
    )


def _names(fields: Iterable[str]) -> list[str]:
    return [str(Config.model_fields[name].alias) for name in fields]
