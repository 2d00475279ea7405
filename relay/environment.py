"""
Read settings from the environment, a `.env` file, and the files that `NAME_FILE` names.

Two environments need care: Kubernetes adds variables for every Service of the namespace, some of which look like
settings of the relay, and Docker keeps the quotes of an `--env-file`.
"""

import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from dotenv import dotenv_values

from relay.errors import ConfigError

_ADDRESS = re.compile(r"(?:tcp|udp|sctp)://\S+:\d{1,5}")
_PORT = re.compile(r"\d{1,5}")
_PROTOCOL = re.compile(r"tcp|udp|sctp")
_QUOTED = re.compile(r"""(["'])(?P<inner>(?:(?!\1).)*)\1""", re.DOTALL)

_KEYWORDS = {"RELAY_FRAME_ANCESTORS": ("self", "none"), "RELAY_MEDIA_SOURCES": ("self", "none")}
"""Values whose single quotes are part of the setting."""

FILE = "_FILE"
"""The ending of a variable that names the file with the value of a setting."""

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
"""Also read in lower case, which takes precedence, as in curl."""


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


_SERVICE_LINKS = tuple(
    (re.compile(f"RELAY_(?:[A-Z0-9_]+_)?{ending}"), holds)
    for ending, holds in (
        ("SERVICE_HOST", _is_ip),
        ("SERVICE_PORT(?:_[A-Z0-9_]+)?", _PORT.fullmatch),
        ("PORT", _ADDRESS.fullmatch),
        (r"PORT_\d+_(?:TCP|UDP|SCTP)", _ADDRESS.fullmatch),
        (r"PORT_\d+_(?:TCP|UDP|SCTP)_PROTO", _PROTOCOL.fullmatch),
        (r"PORT_\d+_(?:TCP|UDP|SCTP)_PORT", _PORT.fullmatch),
        (r"PORT_\d+_(?:TCP|UDP|SCTP)_ADDR", _is_ip),
    )
)
"""Names and values of https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables."""


@dataclass(frozen=True, slots=True)
class Given:
    """The text of a setting, and where it was found."""

    text: str = field(repr=False)
    file: Path | None = None
    """The `.env` file, or that of `NAME_FILE`. None: the environment."""


def variables(environ: Mapping[str, str], dotenv: Path, known: Set[str]) -> dict[str, Given]:
    """
    Return the variables that are set, by name. The environment takes precedence over the `.env` file.

    Args:
        environ: the environment.
        dotenv: a file of `NAME=value` lines; it need not exist.
        known: the names of all settings.

    Raises:
        ConfigError: the file exists and cannot be read.
    """
    try:
        written = {name: value for name, value in dotenv_values(dotenv).items() if value is not None}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{dotenv} cannot be read as UTF-8 text ({type(error).__name__})") from error
    links = service_links(environ)
    inherited = {
        name: unquoted(value, keep=_KEYWORDS.get(name, ())) if name.removesuffix(FILE) in known else value
        for name, value in environ.items()
        if name not in links
    }
    in_file = {name: Given(text, dotenv) for name, text in _in_upper_case(written).items()}
    return in_file | {name: Given(text) for name, text in _in_upper_case(inherited).items()}


def read_files(given: Mapping[str, Given], known: Set[str]) -> tuple[dict[str, Given], list[str]]:
    """
    Read each setting NAME for which NAME_FILE names a file, as Docker and Kubernetes mount secrets.

    Args:
        given: the variables that are set.
        known: the names of all settings.

    Returns:
        The settings in files, and one line per problem.
    """
    read: dict[str, Given] = {}
    problems = []
    for name in sorted(known):
        path = given.get(f"{name}{FILE}", Given("")).text
        if not path:
            continue
        if given.get(name, Given("")).text:
            problems.append(f"{name}{FILE}: {name} is set too; set one of them")
            continue
        try:
            read[name] = Given(Path(path).read_text(encoding="utf-8").rstrip("\r\n"), Path(path))
        except OSError as error:
            problems.append(f"{name}{FILE}: cannot read {path}: {error.strerror}")
        except UnicodeDecodeError:
            problems.append(f"{name}{FILE}: {path} is not UTF-8 text")
    return read, problems


def _in_upper_case(given: Mapping[str, str]) -> dict[str, str]:
    """Return the variables with the proxy variables in upper case."""
    lower = {name: value for name in _PROXIES if (value := given.get(name.lower()))}
    return {**given, **lower}


def service_links(environ: Mapping[str, str]) -> list[str]:
    """
    Return the names of variables that Kubernetes sets for Services called `relay` or `relay-…`.

    The value must have the form that Kubernetes uses, so that a misspelled setting is still reported. `RELAY_PORT` is
    both a setting and such a variable: Kubernetes sets it to `tcp://ADDRESS:PORT`.
    """
    return sorted(
        name
        for name, value in environ.items()
        if any(pattern.fullmatch(name) and holds(value) for pattern, holds in _SERVICE_LINKS)
    )


def unquoted(value: str, keep: Iterable[str] = ()) -> str:
    """
    Return a value without surrounding white space and matching quotes, as a `.env` file would be read.

    Args:
        value: the value of the variable.
        keep: words whose single quotes belong to the value, such as `self` in a Content-Security-Policy.
    """
    value = value.strip()
    quoted = _QUOTED.fullmatch(value)
    return value if quoted is None or (quoted[1] == "'" and quoted["inner"] in keep) else quoted["inner"].strip()
