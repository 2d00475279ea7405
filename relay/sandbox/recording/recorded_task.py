"""One task of a recording on stage: its play, and what its lines send to sockets and to its callback address."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import aiohttp

from relay import log
from relay.sandbox.recording.lines import Action, Callback, Close, Frame, Line
from relay.sandbox.recording.reply import encoded, to_bytes
from relay.sandbox.recording.timeline import Play
from relay.sandbox.shared import http_faults
from relay.sandbox.wiro.task_socket import Audience, Bytes
from relay.sandbox.wiro.webhooks import on_loopback

_log = log.get("sandbox.script")
_TIMEOUT = aiohttp.ClientTimeout(total=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A callback as the platform makes it by itself: the JSON of its body, and its headers."""

    body: object
    headers: Mapping[str, str]


@dataclass(slots=True, kw_only=True, eq=False)
class Performance:
    """
    One task that is being played.

    `start` is how the call that started it is answered, `notice` makes a callback of the record as it is now.
    """

    id: str
    token: str
    start: Line | None
    play: Play
    callback_url: str
    notice: Callable[[], Notice]
    audience: Audience

    async def perform(self, action: Action) -> None:
        """Do what a line says to sockets and to the callback address."""
        scope = self.play.scope
        match action:
            case Frame(payload=payload, kind=kind):
                self.audience.send(self.token, Bytes(data=to_bytes(encoded(payload, scope)), kind=kind))
            case Close(code=code, reason=reason):
                self.audience.close(self.token, code, reason)
            case Callback():
                await self._call_back(action)
            case _:
                raise AssertionError(f"{type(action).__name__} is done by the play itself")

    async def _call_back(self, callback: Callback) -> None:
        if not on_loopback(self.callback_url):
            _log.warning("callback.refused", task=self.id, url=self.callback_url, reason="not a loopback address")
            return
        scope, notice = self.play.scope, self.notice()
        body = (
            http_faults.encoded(notice.body) if callback.payload is None else to_bytes(encoded(callback.payload, scope))
        )
        headers = {"Content-Type": "application/json", **notice.headers}
        headers |= {name: str(scope.fill(value)) for name, value in callback.headers.items()}
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT) as http,
                http.post(self.callback_url, data=body, headers=headers) as answer,
            ):
                _log.debug("callback.answered", task=self.id, status=answer.status)
        except (aiohttp.ClientError, TimeoutError) as error:
            _log.warning("callback.failed", task=self.id, error=type(error).__name__)
        self.play.note_sent("callback")
