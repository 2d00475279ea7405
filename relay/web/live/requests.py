"""The body and the query of `/v1/events`: the subscriptions of a stream or a poll."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from relay.core.tag import Tag
from relay.web.live.messages import SubscriptionRequest, TaskId


class SubscriptionBody(SubscriptionRequest):
    """One of the subscriptions of `POST /v1/events`."""

    model_config = ConfigDict(extra="forbid", strict=True)


class SubscriptionsBody(BaseModel):
    """`POST /v1/events`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    subscriptions: Annotated[list[SubscriptionBody], Field(min_length=1)]


class SubscriptionsQuery(BaseModel):
    """`GET /v1/events`."""

    model_config = ConfigDict(extra="forbid")

    task: list[TaskId] = []
    tag: list[Tag] = []
    all: Literal["true"] | None = None
    token: str | None = Field(None, repr=False)

    @model_validator(mode="after")
    def _check_not_empty(self) -> "SubscriptionsQuery":
        if not (self.task or self.tag or self.all):
            raise ValueError("name what to follow: task=…, tag=… (each may repeat) or all=true")
        return self

    def wanted(self) -> list[SubscriptionRequest]:
        """Return the subscriptions, tasks first, so that the lists of tags leave those tasks out."""
        tasks = [SubscriptionRequest(task=task) for task in dict.fromkeys(self.task)]
        tags = [SubscriptionRequest(tag=tag) for tag in dict.fromkeys(self.tag)]
        return [*tasks, *tags, *([SubscriptionRequest(all=True)] if self.all else [])]
