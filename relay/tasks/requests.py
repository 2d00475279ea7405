"""Start and attach requests as values. `relay.tasks.use_cases` decides whether they can be fulfilled."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from relay.core.upstream import File


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A wish to start a task, checked for its form."""

    model: str
    input: Mapping[str, object] = field(repr=False)
    files: tuple[File, ...] = ()
    """In the spool; whoever starts this has handed them over."""
    provider: str | None = None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, object] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Idempotency:
    """Under which key a wish was sent, and a digest of all that was wished for."""

    key: str = field(repr=False)
    """The caller's, together with what tells its API key from others."""
    digest: str
    unscoped: str = field(default="", repr=False)
    """The caller's alone: as a relay wrote it in the store that did not tell API keys apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attach:
    """A wish to follow a task that somebody else started."""

    socket_token: str = field(repr=False)
    upstream_id: str | None = None
    provider: str | None = None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, object] = field(default_factory=dict, repr=False)
