"""
The contract of a provider: our side of one upstream platform.

A provider translates and carries; it does not decide. It never sends a billable call twice, parses every answer once
into the typed values below and in `core.signals`, and lets only `relay.errors.UpstreamError` out of its calls. Its
socket token is the power over a task: it is in no repr, error or log line.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from relay.catalogue.model import Model
from relay.core.signals import Record, Signal
from relay.core.upstream import File, Found, Run, StoredFile, StoredFolder, UpstreamTask


@dataclass(slots=True, kw_only=True)
class Attempt:
    """One attempt to send a run. The caller and the provider share it while the run is being sent."""

    canceled: bool = False
    """Set by the caller to stop sending. Once the attempt is complete, it has no effect."""
    complete: bool = False
    """
    Set by the provider when it hands the last byte to the connection: from then on the run may have been started.

    A caller that is cancelled while it waits for the answer learns only from this whether that is possible.
    """


class Provider(Protocol):
    """One upstream platform. Every call has a time limit of its own and may be cancelled."""

    name: str

    streams: bool
    """Whether a task can be followed live. Where not, its record is all there is, and `follow` is never called."""

    stops: bool
    """Whether a task can be stopped once it was taken. Where not, `stop` is never called."""

    lists: bool
    """Whether `find` can see tasks. Where not, only a callback can tell what became of a run without an answer."""

    takes_files: bool
    """Whether it has runs with files, and a store to upload them to. Where not, neither is ever asked of it."""

    async def run(self, run: Run, attempt: Attempt | None = None) -> UpstreamTask:
        """
        Start a task. Billable, not idempotent: it is sent once.

        Args:
            run: what to start.
            attempt: new, for the caller to share. Sending stops if it is canceled before it is complete.

        Raises:
            UpstreamRejected: the upstream said no; nothing was started.
            UpstreamUnavailable: it was not reached, or the attempt was canceled; nothing was started.
            UpstreamUnclear: it may have been started.
        """

    async def find(self, run: Run, *, since: float, until: float) -> Found:
        """
        Look for a run whose outcome is unknown, sent between `since` and `until`: unix seconds by the platform's clock.

        Raises:
            UpstreamError: the upstream could not be asked.
        """

    async def read_record(self, task: UpstreamTask) -> Record | None:
        """
        Read the upstream's record of the task; null when it has none (yet).

        Raises:
            UpstreamError: it could not be read.
        """

    async def stop(self, task: UpstreamTask, *, started: bool) -> None:
        """
        Ask the upstream to cancel a waiting task or kill a running one; `started` is our best knowledge of which.

        Raises:
            UpstreamRejected: it cannot be stopped (any more); the text says why.
            UpstreamError: it could not be asked.
        """

    def follow(self, task: UpstreamTask) -> AbstractAsyncContextManager[AsyncIterator[Signal]]:
        """
        Open the task's live stream: once entered, the upstream is subscribed and every later frame comes as signals.

        The iterator ends when the upstream closes the stream, for whatever reason; nothing is replayed on the next.

        Raises:
            UpstreamUnavailable: on entering, when the stream could not be opened.
        """

    def heard(self, headers: Mapping[str, str], body: bytes) -> UpstreamTask | None:
        """
        Read a callback, and return the task that it proves to be about; null where it proves nothing.

        A callback is a hint, proven or not: what it says of the task is read from the task's record.

        Raises:
            RequestError: it should prove who sent it, and does not.
        """

    async def describe(self, model: str) -> Model | None:
        """
        Ask what a model takes, at no cost; null when the platform has no such model, or describes none.

        Raises:
            UpstreamError: it could not be asked, or its answer makes no sense.
        """

    async def upload(self, file: File, folder: str | None) -> StoredFile:
        """
        Put a file into the upstream's store, into one of its folders or where it puts files by itself. Sent once.

        Raises:
            UpstreamError: it was refused, or not all of it arrived, or whether it did is not known.
        """

    async def create_folder(self, name: str, parent: str | None) -> StoredFolder:
        """
        Create a folder in the upstream's store, in another one or at the top. Sent once.

        Raises:
            UpstreamError: it was refused, or whether it was made is not known.
        """

    async def check(self) -> None:
        """
        Reach for the upstream and see that it takes our credentials, at no cost.

        Raises:
            UpstreamError: it cannot be reached, or it refuses them.
        """

    async def close(self) -> None:
        """Let go of every connection."""
