"""Read the settings from the environment and a `.env` file, and report every problem at once."""

import os
from collections.abc import Mapping, Set
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from relay.config.settings import Config
from relay.core.utf16 import LONE_SURROGATE
from relay.environment import FILE, read_files, variables
from relay.errors import ConfigError


def load(environ: Mapping[str, str] | None = None, dotenv: Path | None = None) -> Config:
    """
    Read the settings, as `load_with_origins` does.

    Raises:
        ConfigError: a setting is invalid or unknown. The message has one line per problem.
    """
    return load_with_origins(environ, dotenv)[0]


def load_with_origins(
    environ: Mapping[str, str] | None = None, dotenv: Path | None = None, *, only: Set[str] | None = None
) -> tuple[Config, Mapping[str, Path | None]]:
    """
    Read the settings.

    Args:
        environ: the environment; None for that of the process.
        dotenv: a file of `NAME=value` lines, which the environment overrides; None for `.env` in the working
            directory. The file need not exist.
        only: the names of the settings to read; all others have their defaults. None for all, which must be known.

    Returns:
        The settings; and the file that each given one was read from, None for the environment.

    Raises:
        ConfigError: a setting is invalid or unknown. The message has one line per problem.
    """
    known = {str(field.alias) for field in Config.model_fields.values()} if only is None else only
    given = variables(os.environ if environ is None else environ, dotenv or Path(".env"), known)
    in_files, problems = read_files(given, known)
    names = known | {f"{name}{FILE}" for name in known}
    if only is None:
        unknown = sorted(name for name in given if name.startswith("RELAY_") and name not in names)
        problems = [f"{name}: unknown setting; docs/configuration.md lists all settings" for name in unknown] + problems
    given |= in_files
    # Python decodes an environment byte that is not valid UTF-8 to a lone surrogate.
    undecodable = sorted(name for name in known & given.keys() if LONE_SURROGATE.search(given[name].text))
    problems += [f"{name}: contains bytes that are not valid UTF-8" for name in undecodable]
    usable = {name: given[name] for name in known & given.keys() if name not in undecodable}
    try:
        config = Config.model_validate({name: each.text for name, each in usable.items()})
    except ValidationError as error:
        problems += [_line(details) for details in error.errors(include_url=False, include_input=False)]
    if problems:
        raise ConfigError("\n".join(problems))
    return config, {name: each.file for name, each in usable.items()}


def _line(details: ErrorDetails) -> str:
    """Return one line for a problem that pydantic found, led by the name of the setting if there is one."""
    message = details["msg"].removeprefix("Value error, ")
    if details["type"] in ("byte_size", "byte_size_unit"):
        message = "use a size such as 16MiB, or a number of bytes"
    return ": ".join([*(str(part) for part in details["loc"][:1]), message])
