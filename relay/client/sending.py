"""The address of a relay, and the arguments of httpx for each call."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Required, TypedDict

import httpx

from relay.client.calls import Call
from relay.client.files import Part, parts
from relay.client.watching import Watch

TIMEOUT = httpx.Timeout(60.0, connect=10.0)

STREAM_TIMEOUT = httpx.Timeout(60.0, connect=10.0, read=45.0)
"""A stream that is silent for this long is dead: the relay sends a ping at least every 15 s."""


class Request(TypedDict, total=False):
    """The arguments of a request of httpx."""

    method: Required[str]
    url: Required[str]
    headers: Required[Mapping[str, str]]
    timeout: Required[httpx.Timeout]
    content: bytes
    files: Sequence[Part]


class Target:
    """A relay and a credential."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url.rstrip("/")
        self._authorization = {"Authorization": f"Bearer {key}"}

    @contextmanager
    def request(self, call: Call) -> Iterator[Request]:
        """
        Yield the request for a call; its files are open meanwhile.

        Raises:
            OSError: a file cannot be opened.
        """
        request = self._request(call, call.headers, TIMEOUT)
        if call.body is None:
            yield request
        elif call.files:
            with parts(call.body, call.files) as found:
                yield {**request, "files": found}
        else:
            request["headers"] = {**request["headers"], "Content-Type": "application/json"}
            yield {**request, "content": call.body}

    def stream(self, call: Call, watch: Watch) -> Request:
        """Return the request for the next stream of a watch."""
        return self._request(call, {**call.headers, **watch.headers}, STREAM_TIMEOUT)

    def _request(self, call: Call, headers: Mapping[str, str], timeout: httpx.Timeout) -> Request:
        return {
            "method": call.method,
            "url": self._url + call.path,
            "headers": {**self._authorization, **headers},
            "timeout": timeout,
        }
