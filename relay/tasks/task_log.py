"""Writes the log of one task: signals go to the lifecycle, the events it returns to the journal."""

import asyncio
import math
from collections.abc import Sequence

from relay import log
from relay.clock import uptime_s
from relay.core.events import Event
from relay.core.lifecycle import Lifecycle
from relay.core.signals import Signal
from relay.core.snapshot import Snapshot
from relay.core.spending import charge
from relay.core.upstream import File, UpstreamTask
from relay.errors import Fenced, Taken
from relay.journal.file_copies import copies_of, copies_of_files
from relay.journal.outbox import Webhook
from relay.tasks.context import TaskContext
from relay.tasks.permit import permitted_until_s
from relay.tasks.snapshot_points import snapshot_due

STORE_RETRY_S = 1.0
"""The pause before a commit that failed is tried again."""


class TaskLog:
    """The log of one task and its only writer."""

    def __init__(self, lifecycle: Lifecycle, context: TaskContext) -> None:
        """
        Args:
            lifecycle: the task as the journal has it.
            context: the task's clock, the journal where events are committed, and who receives webhooks about them.
        """
        self._lifecycle = lifecycle
        self._context = context
        self._journal = context.journal
        self._clock = context.clock
        self._writing = asyncio.Lock()
        self._log = log.get("task_log").bind(task=lifecycle.snapshot.id)
        self.snapshot: Snapshot = lifecycle.snapshot
        """The committed state."""
        self.closed = False
        """Whether nothing may be written any more: another node owns the task, or the journal refused a commit."""

    def __repr__(self) -> str:
        return f"<TaskLog {self.snapshot.id} {self.snapshot.state} seq={self.snapshot.seq}>"

    async def write(
        self,
        signals: Sequence[Signal],
        upstream: UpstreamTask | None = None,
        *,
        synced: bool = False,
        frees_key: bool = False,
        files: Sequence[File] = (),
    ) -> float:
        """
        Commit the events that signals lead to, all in one commit, and those that are due by now.

        Args:
            signals: what happened, in order.
            upstream: how the provider identifies the task, stored in the same commit.
            synced: whether the commit must be on the disk when this returns.
            frees_key: whether the task's idempotency key may be used for another task from this commit on.
            files: uploaded files to be copied to the archive.

        Returns:
            Until when a run that the signals announce may be sent, as `relay.clock.uptime_s` counts; minus infinity if
            nothing was committed.

        Raises:
            Fenced: another node owns the task; nothing was committed, and nothing can be any more.
            Taken: `upstream` is another task's; nothing was committed. Read the task from the journal to go on.
        """
        async with self._writing:  # a cancel that arrives meanwhile must be committed after these events
            now, issued_at_s = self._clock(), uptime_s()
            events = [event for signal in signals for event in self._lifecycle.receive(signal, now)]
            events += self._lifecycle.handle_deadline(now)
            if not events:
                return -math.inf
            send_until_s = await self._commit(events, upstream, synced=synced, frees_key=frees_key, files=files)
            return permitted_until_s(issued_at_s, send_until_s)

    async def _commit(
        self,
        events: Sequence[Event],
        upstream: UpstreamTask | None,
        *,
        synced: bool,
        frees_key: bool,
        files: Sequence[File],
    ) -> float:
        state = self._lifecycle.snapshot
        webhooks = self._webhooks_about(events)
        renew = state.done is not None or snapshot_due(state.id, events[0].seq - 1, state.seq)
        # Results are final when the task has ended: until then, a record can change their order.
        kept = state.outputs if self._context.keeps_results and state.done is not None else ()
        tally = self._lifecycle.tally()
        stored = self._context.stored
        due = charge(state, stored.started_by) if stored.hook is not None else None  # null: it was attached to
        copies = copies_of_files(state.id, state.provider, files) + copies_of(state.id, state.provider, kept)
        while not self.closed:
            try:
                send_until_s = await self._journal.append(
                    events,
                    snapshot=state if renew else None,
                    folded=state,
                    upstream=upstream,
                    synced=synced,
                    frees_key=frees_key,
                    copies=copies,
                    webhooks=webhooks,
                    tally=tally,
                    charge=due,
                )
            except OSError as error:
                # An operator has to fix the disk, and no event may be lost meanwhile. The journal has logged the error.
                self._log.debug("append.retried", error=str(error), events=len(events))
                await asyncio.sleep(STORE_RETRY_S)
            except (Fenced, Taken):  # the lifecycle is ahead of the journal now
                self.closed = True
                raise
            else:
                self.snapshot = state
                if state.done is not None:
                    self._context.counts.end(state)
                    self._context.ended(self._context.stored, state)
                if tally is not None:
                    self._context.tallied(tally)
                if webhooks and self._context.webhooks is not None:
                    self._context.webhooks.wake()
                return send_until_s
        raise Fenced(f"the log of task {state.id} is not written here any more")

    def _webhooks_about(self, events: Sequence[Event]) -> Sequence[Webhook]:
        webhooks = self._context.webhooks
        return () if webhooks is None else webhooks.about(self._context.stored, self.snapshot, events)
