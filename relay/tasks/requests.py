"""Requests to start a task or to attach to one, as the use cases take them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from relay.core.spending import Limit
from relay.core.upstream import File
from relay.journal.base import Subscription


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A well-formed request to start a task. Its input has not been checked against the model yet."""

    model: str
    input: Mapping[str, object] = field(repr=False)
    files: tuple[File, ...] = ()
    """In the spool. The use case releases them if it creates no task."""
    provider: str | None = None
    """By name. Null: the provider that has the model, else the first one that is configured."""
    tags: tuple[str, ...] = ()
    title: str | None = None
    traceparent: str | None = None
    """The trace that the request belongs to; null if there are no traces."""
    metadata: Mapping[str, object] = field(default_factory=dict, repr=False)
    webhook: Subscription | None = None
    """Who receives webhooks about the task, in addition to the URLs of the settings."""
    started_by: str = ""
    """The name of the API key."""
    verbatim: bool = False
    """Whether the input is sent as it is: the client speaks the platform's own protocol, and the platform decides."""
    tag: str | None = None
    """The tag to which the credential is bound, if it is: the request may refer to tasks of this tag only."""
    limits: tuple[Limit, ...] = ()
    """The limits of the credential."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """The edits with which a task is run again."""

    input: Mapping[str, object] = field(default_factory=dict, repr=False)
    """Replaces inputs of the earlier task. Null leaves an input out."""
    tags: tuple[str, ...] | None = None
    """Null: those of the earlier task."""
    title: str | None = None
    """Null: that of the earlier task. Empty: none."""
    metadata: Mapping[str, object] | None = field(default=None, repr=False)
    """Null: that of the earlier task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Idempotency:
    """An idempotency key and a digest of the request that was sent under it."""

    key: str = field(repr=False)
    """The client's key, prefixed with what identifies its API key."""
    digest: str
    unscoped: str = field(default="", repr=False)
    """The client's key alone, as older versions stored it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attach:
    """A request to follow a task that was started outside this relay."""

    socket_token: str = field(repr=False)
    upstream_id: str | None = None
    provider: str | None = None
    """By name. Null: the first one that is configured."""
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, object] = field(default_factory=dict, repr=False)
    started_by: str = ""
    """The name of the API key."""
