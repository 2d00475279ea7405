"""The client for programs without asyncio."""

import time
from collections.abc import Iterator, Mapping
from typing import Any, Self

import httpx
from httpx_sse import EventSource
from pydantic import TypeAdapter
from typing_extensions import Unpack

from relay.client import calls
from relay.client.calls import AgainOptions, Call, StartOptions, TokenOptions
from relay.client.responses import (
    NOTHING,
    SNAPSHOT,
    STARTED,
    TOKEN,
    Answer,
    Outcome,
    Started,
    Token,
    read,
    retry_delay_s,
)
from relay.client.sending import Target
from relay.client.watching import Watch, succeeded
from relay.core.snapshot import Snapshot


class Relay:
    """
    A relay, for programs without asyncio and for threads. Use it as a context manager, or call `close`.

    A call that gets no answer, or 503 while the relay restarts, is sent again a few times; a start has an idempotency
    key, so it runs once. All methods raise APIError if the relay refuses, and httpx.TransportError if it stays silent.
    """

    def __init__(self, url: str, key: str, *, http: httpx.Client | None = None) -> None:
        """
        Args:
            url: the address of the relay, such as `https://relay.example.com`.
            key: an API key, or a token.
            http: a client with other limits, proxies or certificates. It is closed with this one.
        """
        self._target = Target(url, key)
        self._http = http or httpx.Client()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def start(
        self,
        model: str,
        input: Mapping[str, Any],  # noqa: A002 -- as in the protocol
        **options: Unpack[StartOptions],
    ) -> Started:
        """Start a task. The `files` among the options are uploaded with it."""
        return self._call(calls.start(model, input, options), STARTED)

    def run(
        self,
        model: str,
        input: Mapping[str, Any],  # noqa: A002 -- as in the protocol
        **options: Unpack[StartOptions],
    ) -> Snapshot:
        """
        Start a task, and return its state once it has succeeded.

        Raises:
            TaskFailed: it ended otherwise.
        """
        return self.result((self.start(model, input, **options)).task.id)

    def again(self, task: str, **options: Unpack[AgainOptions]) -> Started:
        """Run a task again, with changes if any are given."""
        return self._call(calls.again(task, options), STARTED)

    def get(self, task: str) -> Snapshot:
        """Return the state of a task."""
        return self._call(calls.get(task), SNAPSHOT)

    def cancel(self, task: str) -> Snapshot:
        """Ask the platform to stop a task. How the task ends says whether it did."""
        return self._call(calls.cancel(task), SNAPSHOT)

    def delete(self, task: str, *, cancel: bool = False, upstream: bool = False) -> None:
        """
        Delete a task.

        Args:
            task: its id.
            cancel: cancel it first if it has not ended. Otherwise, the relay refuses.
            upstream: also delete its inputs and outputs on the platform.
        """
        self._call(calls.delete(task, cancel=cancel, upstream=upstream), NOTHING)

    def mint_token(self, **options: Unpack[TokenOptions]) -> Token:
        """Mint a token for a browser: for one task or for one tag."""
        return self._call(calls.mint(options), TOKEN)

    def result(self, task: str) -> Snapshot:
        """
        Follow a task to its end, and return its state once it has succeeded.

        Raises:
            TaskFailed: it ended otherwise.
            TaskDeleted: it was deleted.
        """
        last: Snapshot | None = None
        for state in self.watch(task):
            last = state
        return succeeded(last)

    def watch(self, task: str) -> Iterator[Snapshot]:
        """
        Yield the state of a task now and after each change, until it has ended. A cut stream goes on without a gap.

        Raises:
            TaskDeleted: the task was deleted.
        """
        watch, call = Watch(task), calls.stream(task)
        while not watch.ended:
            try:
                with self._http.stream(**self._target.stream(call, watch)) as response:
                    if response.status_code == httpx.codes.OK:
                        for message in EventSource(response).iter_sse():
                            if (state := watch.receive(message.data)) is not None:
                                yield state
                    else:
                        response.read()
                        watch.refused(response)
            except httpx.TransportError as error:
                watch.interrupted(error)
            if not watch.ended:
                time.sleep(watch.delay_s())

    def _call(self, call: Call, shape: TypeAdapter[Answer]) -> Answer:
        attempt = 1
        while True:
            try:
                with self._target.request(call) as request:
                    outcome: Outcome = self._http.request(**request)
            except httpx.TransportError as error:
                outcome = error
            if (delay_s := retry_delay_s(attempt, outcome)) is None:
                return read(outcome, shape)
            time.sleep(delay_s)
            attempt += 1
