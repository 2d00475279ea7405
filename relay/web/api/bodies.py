"""What callers may send: the bodies and queries of the management API, parsed once, with errors that name the field."""

import re
from hashlib import sha256
from math import isfinite
from typing import Annotated, Any

import orjson
from aiohttp import web
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema, model_validator

from relay.access.grants import MAX_TTL_S, MILLISECONDS_FROM, SCOPES
from relay.core.events import State
from relay.core.tag import Tag
from relay.errors import Code, RequestError
from relay.journal.base import Filter, ListPosition
from relay.journal.search_words import query_words
from relay.tasks.requests import Attach, Idempotency, Start

MODEL = r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}/[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$"
"""It becomes part of an address at the platform: with a dot in front it could lead to another call."""
_SCOPE_LIST = rf"^({'|'.join(SCOPES)})( ({'|'.join(SCOPES)}))*$"

MAX_SEARCH_CHARS = 256
MAX_SEARCH_WORDS = 16


def _model_name(text: str) -> str:
    if not re.fullmatch(MODEL, text):
        raise ValueError("must be owner/name, each of up to 100 letters, digits and . _ -, the first no dot")
    return text


def _scope_list(text: str) -> str:
    if not re.fullmatch(_SCOPE_LIST, text):
        raise ValueError(f"must be one or more of {', '.join(SCOPES)}, with one space between them")
    return text


# The document keeps the patterns for tools; people are told in words.
ModelName = Annotated[str, AfterValidator(_model_name), WithJsonSchema({"type": "string", "pattern": MODEL})]
ScopeList = Annotated[str, AfterValidator(_scope_list), WithJsonSchema({"type": "string", "pattern": _SCOPE_LIST})]


class StartBody(BaseModel):
    """`POST /v1/tasks`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: ModelName
    input: dict[str, Any]
    provider: str | None = None
    tags: Annotated[list[Tag], Field(max_length=16)] = []
    metadata: dict[str, Any] = {}
    ttl: Annotated[int, Field(ge=1, le=MAX_TTL_S)] | None = None

    def wish(self) -> Start:
        """Return it as the use case takes it; a tag that repeats counts once."""
        return Start(
            model=self.model,
            input=self.input,
            provider=self.provider,
            tags=tuple(dict.fromkeys(self.tags)),
            metadata=self.metadata,
        )


class AttachBody(BaseModel):
    """`POST /v1/tasks/attach`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    socket_token: Annotated[str, StringConstraints(min_length=1, max_length=256)] = Field(repr=False)
    upstream_id: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = None
    provider: str | None = None
    tags: Annotated[list[Tag], Field(max_length=16)] = []
    metadata: dict[str, Any] = {}
    ttl: Annotated[int, Field(ge=1, le=MAX_TTL_S)] | None = None

    def wish(self) -> Attach:
        """Return it as the use case takes it."""
        return Attach(
            socket_token=self.socket_token,
            upstream_id=self.upstream_id,
            provider=self.provider,
            tags=tuple(dict.fromkeys(self.tags)),
            metadata=self.metadata,
        )


Name = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class FileBody(BaseModel):
    """What stands before the file in `POST /v1/files`, each a part of its own."""

    model_config = ConfigDict(extra="forbid", strict=True)

    folder: Name | None = None
    provider: str | None = None


class FolderBody(BaseModel):
    """`POST /v1/folders`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Name
    parent: Name | None = None
    provider: str | None = None


class TokenBody(BaseModel):
    """`POST /v1/tasks/{id}/tokens`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    scope: ScopeList = "view"
    ttl: Annotated[int, Field(ge=1, le=MAX_TTL_S)] | None = None


class TagTokenBody(TokenBody):
    """`POST /v1/tokens`."""

    tag: Tag


def _in_seconds(value: float) -> float:
    """Refuse what must be milliseconds: as seconds it would be in some thousand years."""
    if abs(value) >= MILLISECONDS_FROM:
        raise ValueError(f"{value:.15g} looks like milliseconds; give unix seconds")
    return value


Moment = Annotated[float, Field(allow_inf_nan=False), AfterValidator(_in_seconds)]


class ListQuery(BaseModel):
    """`GET /v1/tasks`."""

    model_config = ConfigDict(extra="forbid")

    state: list[State] = []
    tag: Tag | None = None
    model: str | None = None
    provider: str | None = None
    since: Moment | None = None
    until: Moment | None = None
    q: Annotated[str, StringConstraints(max_length=MAX_SEARCH_CHARS)] = ""
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: str | None = None
    token: str | None = Field(None, repr=False)

    @model_validator(mode="after")
    def _bounded(self) -> "ListQuery":
        if self.since is not None and self.until is not None and self.since > self.until:
            raise ValueError(f"`since` ({self.since:.15g}) must not be later than `until` ({self.until:.15g})")
        if len(words := query_words(self.q)) > MAX_SEARCH_WORDS:
            raise ValueError(f"`q` may have {MAX_SEARCH_WORDS} words; this one has {len(words)}")
        return self

    def where(self) -> Filter:
        """Return which tasks are asked for."""
        return Filter(
            states=tuple(dict.fromkeys(self.state)),
            tag=self.tag,
            provider=self.provider,
            model=self.model,
            since=self.since,
            until=self.until,
            words=query_words(self.q),
        )

    def after(self) -> ListPosition | None:
        """
        Return where the page begins.

        Raises:
            RequestError: the cursor is none of ours.
        """
        if self.cursor is None:
            return None
        created_at, _, task = self.cursor.partition("~")
        try:
            place = ListPosition(created_at=float(created_at), id=task)
        except ValueError:
            place = None
        if place is None or not isfinite(place.created_at):
            raise RequestError(Code.INVALID_REQUEST, "cursor: use the `next` of an earlier answer.")
        return place


def page_cursor(place: ListPosition) -> str:
    """Write where a page ends, for `ListQuery.after` to read."""
    return f"{place.created_at!r}~{place.id}"


class EventsQuery(BaseModel):
    """`GET /v1/tasks/{id}/events`, when it is not a stream."""

    model_config = ConfigDict(extra="ignore")

    after: Annotated[int, Field(ge=0, le=2**53)] = 0
    limit: Annotated[int, Field(ge=1, le=1000)] = 500


def idempotency(request: web.Request, caller: str, asked: object) -> Idempotency | None:
    """
    Return the caller's idempotency key with a digest of what is asked for, whatever the order of its fields.

    Raises:
        RequestError: the key is not one.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not re.fullmatch(r"[!-~]{1,255}", key):
        raise RequestError(Code.INVALID_REQUEST, "Idempotency-Key: use 1 to 255 visible ASCII characters.")
    digest = sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()
    # No key of a caller has a space in it.
    return Idempotency(key=f"{caller} {key}", unscoped=key, digest=digest)
