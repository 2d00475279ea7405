"""A task that is simulated from a recording: its timeline, and the frames and callbacks that its lines send."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from relay.sandbox.recording.lines import Callback, Close, Effect, Frame, Line
from relay.sandbox.recording.reply import encode_payload, to_bytes
from relay.sandbox.recording.timeline import Timeline
from relay.sandbox.shared.callbacks import may_call_back, post_callback
from relay.sandbox.shared.json_response import encode
from relay.sandbox.wiro.task_socket import Bytes, TaskSocket


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformCallback:
    """A callback in the platform's own form: the JSON of its body, and its headers."""

    body: object
    headers: Mapping[str, str]


@dataclass(slots=True, kw_only=True, eq=False)
class RecordedTask:
    """One task."""

    id: str
    token: str
    start: Line | None
    """The response to the call that started the task."""
    timeline: Timeline
    callback_url: str
    callback: Callable[[], PlatformCallback]
    """Returns the platform's callback for the current record."""
    socket: TaskSocket

    async def act(self, effect: Effect) -> None:
        """Send a frame or a callback, or close the sockets."""
        match effect:
            case Frame(payload=payload, kind=kind):
                data = to_bytes(encode_payload(payload, self.timeline.scope))
                self.socket.send(self.token, Bytes(data=data, kind=kind))
            case Close(code=code, reason=reason):
                self.socket.close(self.token, code, reason)
            case Callback():
                await self._call_back(effect)

    async def _call_back(self, callback: Callback) -> None:
        if not may_call_back(self.callback_url, self.id):
            return
        scope, own = self.timeline.scope, self.callback()
        body = encode(own.body) if callback.payload is None else to_bytes(encode_payload(callback.payload, scope))
        headers = {**own.headers, **{name: str(scope.fill(value)) for name, value in callback.headers.items()}}
        await post_callback(self.callback_url, body, headers, self.id)
        self.timeline.note_sent("callback")
