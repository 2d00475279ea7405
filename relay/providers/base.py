"""
The contract of a provider: the client of one platform.

A provider translates and transports; it makes no decisions. It sends a billable call at most once. It parses each
response once, into the values of `core.upstream` and `core.signals`. Its calls raise only
`relay.errors.UpstreamError`. A socket token grants control over a task, so it never appears in a repr, an error or a
log line.
"""

import math
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from relay.catalogue.model import Model
from relay.core.signals import Record, Signal
from relay.core.upstream import File, Found, Run, StoredFile, StoredFolder, UpstreamTask


@dataclass(slots=True, kw_only=True)
class Attempt:
    """One attempt to send a run, shared by the caller and the provider while the run is being sent."""

    canceled: bool = False
    """Set by the caller to stop sending. It has no effect once the attempt is complete."""
    send_until_s: float = math.inf
    """Until when the first byte may be sent, as `relay.clock.uptime_s` counts."""
    late: bool = False
    """Set by the provider if it sent nothing because that time had passed. The caller may attempt the run again."""
    complete: bool = False
    """
    Set by the provider when it passes the last byte to the connection: from then on the run may have been started.

    A caller that is cancelled while it waits for the response can learn this only here.
    """


class Provider(Protocol):
    """The client of one platform. Every call has its own time limit and may be cancelled."""

    name: str

    streams: bool
    """Whether a task can be followed live. If not, its record is the only source, and `follow` is never called."""

    stops: bool
    """Whether a submitted task can be stopped. If not, `stop` is never called."""

    lists: bool
    """Whether `find` can list tasks. If not, only a callback can resolve a run that got no response."""

    deletes: bool
    """Whether the platform's copy of a task that has ended can be deleted. If not, `delete` is never called."""

    takes_files: bool
    """Whether it accepts runs with files and has a file store. If not, neither is requested from it."""

    continues_by: str | None
    """The input that names an earlier task by its socket token, to continue its conversation. Null if there is none."""

    async def run(self, run: Run, attempt: Attempt | None = None) -> UpstreamTask:
        """
        Start a task. The call is billable and not idempotent, so it is sent at most once.

        Args:
            run: the run to start.
            attempt: a new attempt, shared with the caller. Sending stops if it is canceled before it is complete, and
                does not begin if it is late.

        Raises:
            UpstreamRejected: the platform refused the run; nothing was started.
            UpstreamUnavailable: the platform was not reached, or the attempt was canceled or late; nothing was
                started.
            UpstreamUnclear: the run may have been started.
        """

    async def find(self, run: Run, *, since: float, until: float) -> Found:
        """
        Search for a run whose outcome is unknown.

        Args:
            run: the run as it was sent.
            since: the earliest time at which it was sent, in unix seconds of the platform's clock.
            until: the latest such time.

        Raises:
            UpstreamError: the platform could not be queried.
        """

    async def read_record(self, task: UpstreamTask) -> Record | None:
        """
        Read the platform's record of a task; return null if there is none, or none yet.

        Raises:
            UpstreamError: the record could not be read.
        """

    async def stop(self, task: UpstreamTask, *, started: bool) -> None:
        """
        Ask the platform to cancel a queued task or to kill a running one.

        Args:
            task: the task to stop.
            started: whether the task is believed to be running. The other call is tried if this is outdated.

        Raises:
            UpstreamRejected: the task cannot be stopped, or can no longer be; the message says why.
            UpstreamError: the platform could not be called.
        """

    async def delete(self, task: UpstreamTask) -> None:
        """
        Delete the inputs and outputs of a task that has ended. Does nothing if there are none, or no such task.

        Raises:
            UpstreamError: the platform could not be called, or refused.
        """

    def follow(self, task: UpstreamTask) -> AbstractAsyncContextManager[AsyncIterator[Signal]]:
        """
        Open the live stream of a task.

        Once the context is entered, the subscription is active and every later frame yields signals. The iterator ends
        when the platform closes the stream, for any reason. A new stream does not replay earlier frames.

        Raises:
            UpstreamUnavailable: on entering, if the stream could not be opened.
        """

    def verify_callback(self, headers: Mapping[str, str], body: bytes) -> UpstreamTask | None:
        """
        Return the task that a callback is proven to be about, or null if callbacks carry no proof.

        A callback is only a hint, with or without proof: the state of the task is always read from its record.

        Raises:
            RequestError: the callback must prove its origin and does not.
        """

    async def describe(self, model: str) -> Model | None:
        """
        Read which inputs a model takes, free of charge; return null if the platform has no description of it.

        Raises:
            UpstreamError: the platform could not be queried, or its response is malformed.
        """

    async def upload(self, file: File, folder: str | None) -> StoredFile:
        """
        Upload a file to the platform's store, into a folder or into the default location. It is sent at most once.

        Raises:
            UpstreamError: the file was refused or not fully sent, or the outcome is unknown.
        """

    async def create_folder(self, name: str, parent: str | None) -> StoredFolder:
        """
        Create a folder in the platform's store, at the top level or in `parent`. The call is sent at most once.

        Raises:
            UpstreamError: the folder was refused, or the outcome is unknown.
        """

    async def check(self) -> None:
        """
        Test the connection and the credentials, free of charge.

        Raises:
            UpstreamError: the platform cannot be reached or refuses the credentials.
        """

    async def close(self) -> None:
        """Close every connection."""
