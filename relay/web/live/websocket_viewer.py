"""A WebSocket as a viewer of the hub: its frames, its messages one after the other, and how it is closed."""

import asyncio
from abc import abstractmethod
from collections import deque
from typing import assert_never

from aiohttp import web

from relay import log
from relay.errors import Code, RequestError, StoreError
from relay.hub.close_codes import (
    DELETED,
    FAILED,
    NO_SUCH_TASK,
    NOT_ALLOWED,
    TOKEN_INVALID,
    TOO_SLOW,
    Close,
    protocol_error,
)
from relay.hub.framing import WEBSOCKET
from relay.hub.viewer import HIGH_WATER_BYTES
from relay.web.live.client_frames import ClientFrames, FrameError, Message, Opcode, decode
from relay.web.live.live_viewer import CLIENT, LiveViewer
from relay.web.live.messages import MessageError

CLOSE_TIMEOUT_S = 5.0
"""How long a client may take to answer a close frame before its connection is closed."""

MAX_REASON_BYTES = 123
"""The longest reason that fits into a close frame: https://www.rfc-editor.org/rfc/rfc6455#section-5.5."""

_FIN = 0x80

_log = log.get("web")


class WebSocketViewer(LiveViewer):
    """A WebSocket. A message is read only when those before it have been handled and the answers have been sent."""

    __slots__ = ("_deaf", "_frames", "_inbox", "_sent")

    def __init__(self, request: web.Request) -> None:
        super().__init__(WEBSOCKET, request)
        self._frames = ClientFrames(self.parts.config.message_rate)
        self._inbox: deque[str] | None = None
        """Messages that wait to be handled."""
        self._sent: asyncio.Future[None] | None = None
        """Resolved when the write buffer is empty again."""
        self._deaf = False
        """Whether nothing is read any more but the end of the connection."""

    @abstractmethod
    async def handle(self, text: str) -> None:
        """
        Handle a message of the client.

        Raises:
            RequestError, MessageError: the message is not valid, which closes the connection.
            OSError: the journal failed.
        """

    def data_received(self, data: bytes) -> None:
        if self.closing:
            self.discard(data)
        if self._deaf:
            return
        try:
            for message in self._frames.feed(data, asyncio.get_running_loop().time()):
                self._receive(message)
                if self._deaf:
                    return
        except FrameError as error:
            self._deaf = True
            self.disconnect(error.close)
            self._send_eof()
        if self.buffered() > HIGH_WATER_BYTES:
            self.transport.pause_reading()  # the client does not read its pongs

    def resume_writing(self) -> None:
        if self._sent is not None and not self._sent.done():
            self._sent.set_result(None)
        if self._worker is None:
            self.transport.resume_reading()

    def fail(self, error: RequestError | MessageError | OSError) -> None:
        """Close the connection with the code for an error."""
        if isinstance(error, RequestError) and error.code is Code.UNAUTHORIZED:
            self.parts.counts.auth_failures["websocket",] += 1
        self.disconnect(_close_for(error))

    def opened(self) -> None:
        if self._inbox:
            self._worker = asyncio.create_task(self._handle_all())
        elif not self.closing:
            self.transport.resume_reading()

    def close(self, why: Close) -> None:
        reason = why.reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
        if self.begin_close(why.code):
            self.write(_control_frame(Opcode.CLOSE, why.code.to_bytes(2, "big") + reason.encode()))
            self.set_limit(CLOSE_TIMEOUT_S, self.abort if why is TOO_SLOW else self.end)
            self.transport.resume_reading()  # until the client answers

    def _receive(self, message: Message) -> None:
        opcode, payload = message
        if opcode is Opcode.CLOSE:
            self._answer_close(payload)
        elif self.closing or opcode is Opcode.PONG:
            return
        elif opcode is Opcode.PING:
            self.write(_control_frame(Opcode.PONG, payload))
        elif opcode is Opcode.BINARY:
            self.disconnect(protocol_error("send text frames"))
        else:
            self._queue(decode(payload))

    def _answer_close(self, payload: bytes) -> None:
        self._deaf = True
        self.parts.hub.leave(self)
        if self.begin_close(CLIENT):
            self.write(_control_frame(Opcode.CLOSE, payload[:2]))
        self.end()

    def _send_eof(self) -> None:
        """End our side of the connection. A close with data unread could take the close frame back from the client."""
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.end()

    def _queue(self, text: str) -> None:
        if self._inbox is None:
            self._inbox = deque()
        self._inbox.append(text)
        self.transport.pause_reading()
        if self._worker is None:
            self._worker = asyncio.create_task(self._handle_all())

    async def _handle_all(self) -> None:
        try:
            while self._inbox and not self.closing:
                await self.handle(self._inbox.popleft())
                await self._answers_sent()
        except (RequestError, MessageError, OSError) as error:
            self.fail(error)
        except Exception:  # noqa: BLE001 -- the outermost handler of a message, as `handle_errors` is of a request
            _log.exception("message.crashed")
            self.abort()
        finally:
            self._worker = self._inbox = None
            self.transport.resume_reading()

    async def _answers_sent(self) -> None:
        """Wait until the client reads: its answers would fill the memory."""
        if self.buffered() > HIGH_WATER_BYTES:
            self._sent = asyncio.get_running_loop().create_future()
            await self._sent
            self._sent = None


def _control_frame(opcode: Opcode, payload: bytes) -> bytes:
    """Return a control frame, whose payload has 125 bytes at most."""
    return bytes((_FIN | opcode, len(payload))) + payload


def _close_for(error: RequestError | MessageError | OSError) -> Close:
    match error:
        case RequestError(code=Code.UNAUTHORIZED):
            return Close(code=TOKEN_INVALID.code, reason=error.detail)
        case RequestError(code=Code.FORBIDDEN):
            return NOT_ALLOWED
        case RequestError(code=Code.NOT_FOUND):
            return NO_SUCH_TASK
        case RequestError(code=Code.GONE):
            return DELETED
        case RequestError() | MessageError():
            return protocol_error(str(error))
        case StoreError():  # logged by the journal
            return FAILED
        case OSError():
            _log.error("socket.failed", error=str(error))
            return FAILED
        case _:
            assert_never(error)
