"""
The codes and reasons with which the relay closes a connection, as listed in docs/protocol.md section 5.

Codes 4000-4499 ask the client to reconnect, 4500-4999 ask it not to. RFC 6455 section 7.4.2 leaves 4000-4999 to
applications: https://www.rfc-editor.org/rfc/rfc6455#section-7.4.2
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """Why the relay ends a connection."""

    code: int
    reason: str


ENDED = Close(code=1000, reason="the task has ended")
FAILED = Close(code=1011, reason="internal error; reconnect later")
DRAINING = Close(code=4001, reason="the relay is shutting down; reconnect soon")
TOKEN_EXPIRED = Close(code=4002, reason="the token has expired; reconnect with a new one")
TOO_SLOW = Close(code=4003, reason="the client did not read for 60 s")
TOO_MANY = Close(code=4004, reason="too many connections")
KEYS_CHANGED = Close(code=4005, reason="the relay's API keys have changed; reconnect to authenticate again")
TOKEN_INVALID = Close(code=4500, reason="the token is invalid or has expired")
NOT_ALLOWED = Close(code=4501, reason="the token does not allow this")
NO_SUCH_TASK = Close(code=4504, reason="there is no such task")
DELETED = Close(code=4510, reason="the task was deleted")


def protocol_error(reason: str) -> Close:
    """Return the close for a client that violates the protocol; `reason` says how."""
    return Close(code=4505, reason=reason)
