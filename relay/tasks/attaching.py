"""Attaches to a task that was started outside this relay, at any stage."""

from collections.abc import Callable
from dataclasses import replace

from relay.core.timeline import first_moment
from relay.core.upstream import UpstreamTask
from relay.errors import Code, FieldError, RequestError, Taken
from relay.journal.base import Journal, StoredTask
from relay.tasks.creation import create
from relay.tasks.models import Models
from relay.tasks.requests import Attach
from relay.tasks.starting import Started
from relay.tasks.supervisor import Supervisor


class Attacher:
    """The use case that attaches to tasks."""

    def __init__(self, journal: Journal, models: Models, supervisor: Supervisor, clock: Callable[[], float]) -> None:
        """
        Args:
            journal: stores the tasks.
            models: has the providers by name.
            supervisor: follows the tasks.
            clock: returns unix seconds.
        """
        self._journal = journal
        self._models = models
        self._supervisor = supervisor
        self._clock = clock

    async def attach(self, request: Attach) -> Started:
        """
        Attach to a task. If the relay already follows it, return the existing task.

        Raises:
            RequestError: the platform has no such task.
            UpstreamError: the platform could not be called.
        """
        self._supervisor.check_open()
        provider = self._models.provider_named(request.provider)
        upstream = UpstreamTask(upstream_id=request.upstream_id, socket_token=request.socket_token)
        asked_at = self._clock()
        record = await provider.read_record(upstream)
        if record is None:
            raise RequestError(
                Code.NOT_FOUND,
                "The platform has no task with this socket token.",
                fields=(FieldError(field="socket_token", message="is unknown to the platform"),),
            )
        upstream = replace(upstream, upstream_id=record.upstream_id or request.upstream_id)
        admission, now = self._supervisor.admission(provider.name), self._clock()
        async with admission.adopting:
            if (known := await self._find(provider.name, upstream)) is not None:
                return known
            stored = StoredTask(
                id=self._supervisor.new_id(),
                provider=provider.name,
                model=record.model or "unknown",
                created_at=self._clock(),
                tags=request.tags,
                input={},
                metadata=request.metadata,
                upstream=upstream,
                started_by=request.started_by,
            )
            began_at = first_moment(record, admission.clock, asked_at=asked_at, now=now)
            with self._supervisor.creating(stored.id):
                try:
                    snapshot, _ = await create(self._journal, stored, began_at=began_at)
                except Taken:  # another node has attached to it, or its search has found it
                    if (known := await self._find(provider.name, upstream)) is None:
                        raise
                    return known
                return Started(snapshot=self._supervisor.follow(stored, snapshot).snapshot)

    async def _find(self, provider: str, upstream: UpstreamTask) -> Started | None:
        """Return the task of the relay that is an upstream task, if there is one."""
        known = await self._journal.find_upstream(provider, upstream)
        return None if known is None else Started(snapshot=await self._supervisor.snapshot(known), made=False)
