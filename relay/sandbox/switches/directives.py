"""Find the switches that a text sets: `a village [sandbox: exit=1, stderr_lines=20]`."""

import re
from collections.abc import Iterable
from dataclasses import fields

from relay.sandbox.switches.faults import Faults

_DIRECTIVE = re.compile(r"\[sandbox:([^\]]*)\]", re.IGNORECASE)
_NAMES = "|".join(field.name for field in fields(Faults))
# A value may contain a comma, so only a comma in front of a switch's name separates two switches.
_SEPARATOR = re.compile(rf",\s*(?=(?:{_NAMES})\s*(?:=|,|$))")


def directives(texts: Iterable[str]) -> dict[str, str]:
    """Return the switches set by every `[sandbox: …]` in the texts. Later ones override earlier ones."""
    switches: dict[str, str] = {}
    for text in texts:
        for found in _DIRECTIVE.finditer(text):
            switches |= _split(found[1])
    return switches


def without_directives(text: str) -> str:
    """Return the text without its directives."""
    return _DIRECTIVE.sub("", text).strip()


def _split(text: str) -> dict[str, str]:
    """Split `a=1, b` into names and values. The value of a bare name is empty."""
    switches = {}
    for part in filter(str.strip, _SEPARATOR.split(text.strip(" ,"))):
        name, _, value = part.partition("=")
        switches[name.strip()] = value
    return switches
