"""The outcome of one step of a submission."""

from dataclasses import dataclass

from relay.core.signals import Accepted, Released, Signal
from relay.core.upstream import File, UpstreamTask
from relay.errors import UpstreamError


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """
    The outcome of a step of a submission. The follower commits it before the next step begins.

    The first outcome answers the client that started the task: with `refusal`, or with success if that is null.
    """

    signal: Signal | None = None
    """What happened to the task. Null if there is nothing to commit."""
    upstream: UpstreamTask | None = None
    """How the provider identifies the task, committed with the signal."""
    refusal: UpstreamError | None = None
    """Why the provider did not accept the task, or (`UpstreamUnclear`) why that is unknown."""
    files: tuple[File, ...] = ()
    """Uploaded files to be copied to the archive, committed with the signal. They stay in the spool until then."""

    @classmethod
    def accepted(cls, upstream: UpstreamTask, files: tuple[File, ...] = ()) -> "Outcome":
        """Return the outcome of a run that the provider has accepted."""
        return cls(signal=Accepted(upstream_id=upstream.upstream_id or ""), upstream=upstream, files=files)

    @property
    def synced(self) -> bool:
        """Whether it must be on the disk before the next step: the intent to send a billable call must."""
        return isinstance(self.signal, Released)
