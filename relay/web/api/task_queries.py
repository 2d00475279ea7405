"""Query parameters of the calls that list tasks and read their events."""

from math import isfinite
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from relay.core.events import State
from relay.core.tag import Tag
from relay.errors import Code, RequestError
from relay.journal.lists import Filter, ListPosition
from relay.journal.search_words import query_words
from relay.tasks.listing import Order, Place
from relay.web.api.fields import Timestamp
from relay.web.http.prefer import MAX_WAIT_S

MAX_SEARCH_CHARS = 256
MAX_SEARCH_WORDS = 16

GROUPS = len(Order.ATTENTION.groups(Filter()))


class CountQuery(BaseModel):
    """`GET /v1/tasks/counts`."""

    model_config = ConfigDict(extra="forbid")

    state: list[State] = []
    tag: Tag | None = None
    model: str | None = None
    provider: str | None = None
    stalled: bool | None = None
    since: Timestamp | None = None
    until: Timestamp | None = None
    q: Annotated[str, StringConstraints(max_length=MAX_SEARCH_CHARS)] = ""
    token: str | None = Field(None, repr=False)

    @model_validator(mode="after")
    def _bounded(self) -> "CountQuery":
        if self.since is not None and self.until is not None and self.since > self.until:
            raise ValueError(f"`since` ({self.since:.15g}) must not be later than `until` ({self.until:.15g})")
        if len(words := query_words(self.q)) > MAX_SEARCH_WORDS:
            raise ValueError(f"`q` must have at most {MAX_SEARCH_WORDS} words, not {len(words)}")
        return self

    def to_filter(self) -> Filter:
        """Return the filter for the use case. A repeated state counts once."""
        return Filter(
            states=tuple(dict.fromkeys(self.state)),
            tag=self.tag,
            provider=self.provider,
            stalled=self.stalled,
            model=self.model,
            since=self.since,
            until=self.until,
            words=query_words(self.q),
        )


class ListQuery(CountQuery):
    """`GET /v1/tasks`."""

    order: Order = Order.NEWEST
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: str | None = None

    def after(self) -> Place | None:
        """
        Parse the cursor: return the place after which the page begins.

        Raises:
            RequestError: the cursor is invalid.
        """
        if self.cursor is None:
            return None
        is_newest = self.order is Order.NEWEST
        group, _, after = ("0", "", self.cursor) if is_newest else self.cursor.partition("~")
        created_at, _, task = after.partition("~")
        try:
            place = Place(group=int(group), position=ListPosition(created_at=float(created_at), id=task))
        except ValueError:
            place = None
        if place is None or place.group not in range(GROUPS) or not isfinite(place.position.created_at):
            raise RequestError(
                Code.INVALID_REQUEST, "`cursor` must be the `next` of an earlier response with the same `order`."
            )
        return place


def page_cursor(place: Place, order: Order) -> str:
    """Return the cursor that `ListQuery.after` parses."""
    position = f"{place.position.created_at!r}~{place.position.id}"
    return position if order is Order.NEWEST else f"{place.group}~{position}"


class ShowQuery(BaseModel):
    """`GET /v1/tasks/{id}`."""

    model_config = ConfigDict(extra="ignore")

    wait: Annotated[int, Field(ge=0, le=MAX_WAIT_S)] = 0
    """In seconds."""


class DeleteQuery(BaseModel):
    """`DELETE /v1/tasks/{id}`."""

    model_config = ConfigDict(extra="forbid")

    cancel: bool = False
    upstream: bool = False


class DeleteTaggedQuery(DeleteQuery):
    """`DELETE /v1/tasks`."""

    tag: Tag


class EventsQuery(BaseModel):
    """`GET /v1/tasks/{id}/events` without `Accept: text/event-stream`."""

    model_config = ConfigDict(extra="ignore")

    after: Annotated[int, Field(ge=0, le=2**53)] = 0
    limit: Annotated[int, Field(ge=1, le=1000)] = 500
