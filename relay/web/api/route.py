"""A row of the route table: a call of the API."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from aiohttp.typedefs import Handler
from pydantic import BaseModel

from relay.access.roles import Right
from relay.errors import Code
from relay.journal.audit import Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A call of the API."""

    method: Literal["get", "post", "delete"]
    path: str
    handler: Handler
    summary: str
    responses: Mapping[int, Any]
    """The type of the JSON response by status, or a sentence if there is none."""
    errors: tuple[Code, ...] = ()
    body: type[BaseModel] | None = None
    body_required: bool = True
    form: type[BaseModel] | None = None
    """The body as `multipart/form-data`."""
    query: type[BaseModel] | None = None
    streams: bool = False
    """Whether it can respond with `text/event-stream`."""
    public: bool = False
    """Whether it needs no credential in the header."""
    needs: Right = "admin"
    """The right that the role of an API key must include."""
    action: Action | None = None
    """What is recorded in the audit when it succeeds."""
    allow_head: bool = True
    """Whether HEAD is answered too. Streams write to the connection directly."""
