"""An API key as the settings have it: its text, its name, and the role that limits it."""

import re
from dataclasses import dataclass, field
from typing import Literal

from relay.core.tag import normalize_tag

Role = Literal["admin", "start", "read"]
"""What an API key may do: see `relay.access.roles`."""

MIN_KEY_CHARS = 24
"""Minimum length of an API key. Shorter keys are easier to guess."""

KEY_NAME = re.compile(r"[a-z0-9_-]{1,32}")
_NAMED = re.compile(rf"(?P<name>{KEY_NAME.pattern})=(?P<rest>.{{{MIN_KEY_CHARS},}})")
_WITH_ROLE = re.compile(r"(?P<key>.*):(?P<role>admin|start|read)")
_WITH_TAG = re.compile(r"(?P<key>.*?):(?P<role>admin|start|read):(?P<tag>.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """An API key. Several keys may have the same name, for example while one is rotated."""

    key: str = field(repr=False)
    name: str = ""
    role: Role = "admin"
    tag: str | None = None
    """The tag whose tasks are all that it may start and see. Null: all tasks."""

    def __str__(self) -> str:
        bound = "" if self.tag is None else f", tag {self.tag}"
        return f"{self.name or '(no name)'} ({self.role}{bound})"


def parse_api_key(entry: str) -> ApiKey:
    """
    Parse an entry of `RELAY_API_KEYS`: `KEY`, `NAME=KEY`, `NAME=KEY:ROLE` or `NAME=KEY:ROLE:TAG`.

    A key may contain `=` and `:`. An entry has a name only if a valid one stands before the first `=` and at least
    MIN_KEY_CHARS characters follow. Only the names of the three roles are roles. A role at the end has no tag.

    Raises:
        ValueError: the key is too short, or the tag is not valid. The message does not contain the key.
    """
    named = _NAMED.fullmatch(entry)
    if named is None:
        if len(entry) < MIN_KEY_CHARS:
            raise ValueError(f"each key needs at least {MIN_KEY_CHARS} characters")
        return ApiKey(key=entry)
    name, rest = named["name"], named["rest"]
    limited = _WITH_ROLE.fullmatch(rest) or _WITH_TAG.fullmatch(rest)
    if limited is None:
        return ApiKey(key=rest, name=name)
    # Without this check, a key that is too short would silently become a longer one with all rights.
    if len(limited["key"]) < MIN_KEY_CHARS:
        raise ValueError(f"the key `{name}` needs at least {MIN_KEY_CHARS} characters before `:{limited['role']}`")
    role, tag = _role(limited["role"]), limited.groupdict().get("tag")
    if tag is not None and role == "admin":
        raise ValueError(f"the key `{name}` is bound to a tag, so its role must be `start` or `read`")
    return ApiKey(key=limited["key"], name=name, role=role, tag=None if tag is None else normalize_tag(tag))


def _role(text: str) -> Role:
    match text:
        case "admin" | "start" | "read":
            return text
        case _:
            raise ValueError(f"unknown role {text}")
