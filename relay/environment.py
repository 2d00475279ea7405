"""
Where settings come from: a `.env` file and the environment, as the common platforms hand it over.

Kubernetes describes every Service of a namespace to every container in it, and Docker passes the quotes of an
`--env-file` on.
"""

import re
from collections.abc import Iterable, Mapping, Set
from ipaddress import ip_address
from pathlib import Path

from dotenv import dotenv_values

from relay.errors import ConfigError

_ADDRESS = re.compile(r"(?:tcp|udp|sctp)://\S+:\d{1,5}")
_PORT = re.compile(r"\d{1,5}")
_PROTOCOL = re.compile(r"tcp|udp|sctp")
_QUOTED = re.compile(r"""(["'])(?P<inner>(?:(?!\1).)*)\1""", re.DOTALL)

_KEYWORDS = {"RELAY_FRAME_ANCESTORS": ("self", "none"), "RELAY_MEDIA_SOURCES": ("self", "none")}
"""Words that stand in single quotes in the setting itself."""

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
"""Read in lower case, too, which then counts, as with curl."""


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
"""https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables: names, and their values."""


def variables(environ: Mapping[str, str], dotenv: Path, known: Set[str]) -> dict[str, str]:
    """
    Return what is set, by its name: in the environment, else in a file of `NAME=value` lines, if it is there.

    Args:
        environ: the environment.
        dotenv: the file.
        known: the names of the settings.

    Raises:
        ConfigError: the file cannot be read.
    """
    try:
        written = {name: value for name, value in dotenv_values(dotenv).items() if value is not None}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{dotenv}: it cannot be read as text in UTF-8 ({type(error).__name__})") from error
    links = service_links(environ)
    inherited = {
        name: unquoted(value, keep=_KEYWORDS.get(name, ())) if name in known else value
        for name, value in environ.items()
        if name not in links
    }
    return _in_upper_case(written) | _in_upper_case(inherited)


def _in_upper_case(given: Mapping[str, str]) -> dict[str, str]:
    """Return variables with those for proxies under one spelling."""
    lower = {name: value for name in _PROXIES if (value := given.get(name.lower()))}
    return {**given, **lower}


def service_links(environ: Mapping[str, str]) -> list[str]:
    """
    Return the names that Kubernetes sets for Services called `relay` or `relay-…`.

    A name counts only with the value that Kubernetes gives it, so that a misspelt setting is not taken for one. One
    of them is the name of a setting, too: `RELAY_PORT`, set to `tcp://ADDRESS:PORT`.
    """
    return sorted(
        name
        for name, value in environ.items()
        if any(pattern.fullmatch(name) and holds(value) for pattern, holds in _SERVICE_LINKS)
    )


def unquoted(value: str, keep: Iterable[str] = ()) -> str:
    """
    Return a value without white space and matching quotes around it, as it would be read from a `.env` file.

    Args:
        value: as it was set.
        keep: words that have single quotes of their own, such as `self` in a Content-Security-Policy.
    """
    value = value.strip()
    quoted = _QUOTED.fullmatch(value)
    return value if quoted is None or (quoted[1] == "'" and quoted["inner"] in keep) else quoted["inner"].strip()
