"""Read the settings from the environment and a `.env` file, and report every problem at once."""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from relay.config.settings import Config
from relay.core.utf16 import LONE_SURROGATE
from relay.environment import variables
from relay.errors import ConfigError


def load(environ: Mapping[str, str] | None = None, dotenv: Path | None = None) -> Config:
    """
    Read the settings.

    Args:
        environ: the environment; None for that of the process.
        dotenv: a file of `NAME=value` lines, which the environment overrides; None for `.env` in the working
            directory. The file need not exist.

    Raises:
        ConfigError: a setting is invalid or unknown. The message has one line per problem.
    """
    known = {str(field.alias) for field in Config.model_fields.values()}
    given = variables(os.environ if environ is None else environ, dotenv or Path(".env"), known)
    unknown = sorted(name for name in given if name.startswith("RELAY_") and name not in known)
    # Python decodes an environment byte that is not valid UTF-8 to a lone surrogate.
    undecodable = sorted(name for name, value in given.items() if name in known and LONE_SURROGATE.search(value))
    problems = [f"{name}: unknown setting; docs/configuration.md lists all settings" for name in unknown]
    problems += [f"{name}: contains bytes that are not valid UTF-8" for name in undecodable]
    try:
        config = Config.model_validate({name: given[name] for name in given.keys() & known if name not in undecodable})
    except ValidationError as error:
        problems += [_line(details) for details in error.errors(include_url=False, include_input=False)]
    if problems:
        raise ConfigError("\n".join(problems))
    return config


def _line(details: ErrorDetails) -> str:
    """Return one line for a problem that pydantic found, led by the name of the setting if there is one."""
    message = details["msg"].removeprefix("Value error, ")
    if details["type"] in ("byte_size", "byte_size_unit"):
        message = "use a size such as 16MiB, or a number of bytes"
    return ": ".join([*(str(part) for part in details["loc"][:1]), message])
