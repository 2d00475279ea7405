"""Request bodies of the calls on tasks and tokens."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from relay.access.start_rules import StartRules
from relay.core.tag import Tag
from relay.core.title import Title
from relay.journal.base import Subscription
from relay.net.receiver_url import MAX_CHARS
from relay.tasks.requests import Again, Attach, Start
from relay.web.api.fields import ModelName, Scopes, TagScopes, TokenTtl
from relay.webhooks.messages import TYPES, WebhookType

_STRICT = ConfigDict(extra="forbid", strict=True)

Tags = Annotated[list[Tag], Field(max_length=16)]


class WebhookBody(BaseModel):
    """Who receives webhooks about a task, in addition to the URLs of the relay's settings."""

    model_config = _STRICT

    url: Annotated[str, StringConstraints(min_length=1, max_length=MAX_CHARS)] = Field(repr=False)
    """Over HTTPS, with a host of `RELAY_WEBHOOK_HOSTS`."""
    events: Annotated[list[WebhookType], Field(max_length=len(TYPES))] = []
    """Their types; empty for all."""

    def to_subscription(self) -> Subscription:
        """Return the receiver as it is stored. A repeated type counts once."""
        return Subscription(url=self.url, events=tuple(dict.fromkeys(self.events)))


class StartBody(BaseModel):
    """`POST /v1/tasks`."""

    model_config = _STRICT

    model: ModelName
    input: dict[str, Any]
    provider: str | None = None
    tags: Tags = []
    title: Title | None = None
    metadata: dict[str, Any] = {}
    ttl: TokenTtl | None = None
    webhook: WebhookBody | None = None

    def to_request(self) -> Start:
        """Return the request for the use case. A repeated tag counts once."""
        return Start(
            model=self.model,
            input=self.input,
            provider=self.provider,
            tags=tuple(dict.fromkeys(self.tags)),
            title=self.title or None,
            metadata=self.metadata,
            webhook=None if self.webhook is None else self.webhook.to_subscription(),
        )


class AgainBody(BaseModel):
    """`POST /v1/tasks/{id}/again`."""

    model_config = _STRICT

    input: dict[str, Any] = {}
    tags: Tags | None = None
    title: Title | None = None
    """Empty for no title."""
    metadata: dict[str, Any] | None = None
    ttl: TokenTtl | None = None

    def to_request(self) -> Again:
        """Return the request for the use case. A repeated tag counts once."""
        return Again(
            input=self.input,
            tags=None if self.tags is None else tuple(dict.fromkeys(self.tags)),
            title=self.title,
            metadata=self.metadata,
        )


class AttachBody(BaseModel):
    """`POST /v1/tasks/attach`."""

    model_config = _STRICT

    socket_token: Annotated[str, StringConstraints(min_length=1, max_length=256)] = Field(repr=False)
    upstream_id: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = None
    provider: str | None = None
    tags: Tags = []
    metadata: dict[str, Any] = {}
    ttl: TokenTtl | None = None

    def to_request(self) -> Attach:
        """Return the request for the use case. A repeated tag counts once."""
        return Attach(
            socket_token=self.socket_token,
            upstream_id=self.upstream_id,
            provider=self.provider,
            tags=tuple(dict.fromkeys(self.tags)),
            metadata=self.metadata,
        )


class TokenBody(BaseModel):
    """`POST /v1/tasks/{id}/tokens`."""

    model_config = _STRICT

    scope: Scopes = "view"
    ttl: TokenTtl | None = None


class TagTokenBody(StartRules):
    """`POST /v1/tokens`. The fields of `StartRules` are for the scope `start`."""

    tag: Tag
    scope: TagScopes = "view"
    ttl: TokenTtl | None = None

    @model_validator(mode="after")
    def _check_rules(self) -> "TagTokenBody":
        if self.rules() is None and self.model_fields_set & StartRules.model_fields.keys():
            raise ValueError("models, limits and inputs need the scope start")
        return self

    def rules(self) -> StartRules | None:
        """Return what the token may start; null if nothing."""
        if "start" not in self.scope.split():
            return None
        return StartRules(models=self.models, limits=self.limits, inputs=self.inputs)


class StartForm(BaseModel):
    """`POST /v1/tasks` as `multipart/form-data`: the JSON, then files under the names of their inputs."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": {"type": "string", "format": "binary"}})

    task: StartBody
