"""
Subscriptions of a connection about several topics, by WebSocket, event stream or poll.

A subscription that fails or expires is reported in a message; the connection and its other subscriptions continue.
"""

import orjson

from relay.access.grants import Grant, TokenExpired
from relay.errors import Code, RequestError, StoreDamaged
from relay.hub.close_codes import TOKEN_EXPIRED
from relay.hub.cursor import parse_cursor
from relay.hub.topic import Topic, topic_field
from relay.hub.viewer import Viewer
from relay.web.http.context import Context
from relay.web.http.credentials import authenticate, permit, permit_all, permit_tag
from relay.web.http.request_ids import current_request_id
from relay.web.live.messages import SubscriptionRequest


class MultiViewer(Viewer):
    """A connection about several topics, each of which begins and ends independently."""

    __slots__ = ()

    def task_ended(self, task: str) -> None:
        """Send nothing: the task's last event has reported the end."""

    def task_deleted(self, message: bytes) -> None:
        self.send(message)

    def subscription_expired(self, topic: Topic) -> None:
        self.send_error(topic, "token_expired", TOKEN_EXPIRED.reason)

    def send_error(self, topic: Topic, code: str, detail: str) -> None:
        """Report that a subscription is over or could not begin."""
        self.send(orjson.dumps({"type": "error", **topic_field(topic), "code": code, "detail": detail}))


async def subscribe(
    parts: Context, viewer: MultiViewer, wanted: SubscriptionRequest, default: Grant | str | None, address: str | None
) -> bool:
    """
    Begin a subscription. If it fails, report the error to the client and return False.

    Args:
        parts: of the relay.
        viewer: the connection.
        wanted: the topic, the cursor and the token.
        default: the grant or credential for a subscription without its own token.
        address: that of the client, if it is known.

    Raises:
        OSError: the journal failed.
    """
    topic = wanted.topic
    limit = parts.config.subscription_limit
    if topic not in viewer.subscriptions and len(viewer.subscriptions) >= limit:
        # relay.js reads the limit from "one connection (request) may have N", also in pages that were loaded long ago.
        detail = f"One connection may have {limit} subscriptions (RELAY_SUBSCRIPTION_LIMIT). Open another connection."
        viewer.send_error(topic, "forbidden", detail)
        return False
    try:
        grant = default if wanted.token is None else wanted.token
        if not isinstance(grant, Grant):
            grant = authenticate(parts, grant, address, current_request_id())
        await permit_topic(parts, grant, topic)
        known = {task: position for task, text in wanted.known.items() if (position := parse_cursor(text))}
        cursor = parse_cursor(wanted.cursor)
        await parts.hub.subscribe(
            viewer,
            topic,
            cursor,
            known=known,
            expires_at=grant.expires_at,
            token=grant.token,
            status_only=grant.status_only,
        )
    except StoreDamaged as error:  # logged by the journal; the other subscriptions continue
        viewer.send_error(topic, Code.INTERNAL, f"The stored data of task {error.task} cannot be read.")
        return False
    except RequestError as error:
        if error.code is Code.UNAUTHORIZED:
            parts.counts.auth_failures["subscription",] += 1
        viewer.send_error(topic, _error_code(error), error.detail)
        return False
    return True


async def permit_topic(parts: Context, grant: Grant, topic: Topic) -> None:
    """
    Check that a grant allows to view a topic.

    Raises:
        RequestError: it does not.
    """
    match topic:
        case "task", task:
            await permit(parts, grant, "view:status", task)
        case "tag", tag:
            permit_tag(grant, "view:status", tag)
        case _:
            permit_all(grant)


def _error_code(error: RequestError) -> Code | str:
    """Return the code of an error, with a separate code for an expired token, which the client can renew."""
    return "token_expired" if isinstance(error, TokenExpired) else error.code
