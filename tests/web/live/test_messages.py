"""Messages of a client, and what is wrong with invalid ones."""

import pytest

from relay.hub.topic import ALL, Topic
from relay.web.live.messages import Auth, MessageError, Subscribe, Unsubscribe, parse


@pytest.mark.parametrize(
    ("field", "topic"), [('"task":"t1"', ("task", "t1")), ('"tag":"shop"', ("tag", "shop")), ('"all":true', ALL)]
)
def test_a_subscription_has_one_topic(field: str, topic: Topic) -> None:
    """It is named in the same way to subscribe and to unsubscribe."""
    subscribe, unsubscribe = parse(f'{{"type":"subscribe",{field}}}'), parse(f'{{"type":"unsubscribe",{field}}}')

    assert isinstance(subscribe, Subscribe)
    assert isinstance(unsubscribe, Unsubscribe)
    assert subscribe.topic == unsubscribe.topic == topic


def test_a_subscription_may_have_a_cursor_and_a_token() -> None:
    """A malformed cursor is not an error here, because it is answered with a snapshot."""
    message = parse('{"type":"subscribe","task":"t1","cursor":"?","token":"x"}')

    assert isinstance(message, Subscribe)
    assert (message.cursor, message.token) == ("?", "x")


def test_a_subscription_to_a_board_may_name_what_the_client_has() -> None:
    """A malformed cursor is not an error here either: the list then has the task."""
    message = parse('{"type":"subscribe","tag":"shop","known":{"t1":"epoch:1","t2":"?"}}')

    assert isinstance(message, Subscribe)
    assert message.known == {"t1": "epoch:1", "t2": "?"}


def test_auth_has_a_token() -> None:
    """It replaces the token of the connection."""
    message = parse('{"type":"auth","token":"x"}')

    assert isinstance(message, Auth)
    assert message.token == "x"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("secret", "Invalid JSON: "),
        ('{"type":"secret"}', "type must be subscribe, unsubscribe or auth"),
        ("{}", "type must be subscribe, unsubscribe or auth"),
        ('{"type":"subscribe"}', "name exactly one of task, tag and all"),
        ('{"type":"subscribe","all":1}', "all: must be true if it is given"),
        ('{"type":"subscribe","task":""}', "task: String should have at least 1 character"),
        ('{"type":"subscribe","task":["secret"]}', "task: Input should be a valid string"),
        ('{"type":"subscribe","all":true,"known":{"t":1}}', "known.t: Input should be a valid string"),
        ('{"type":"auth","token":null}', "token: Input should be a valid string"),
    ],
)
def test_an_invalid_message_has_a_reason_that_quotes_nothing(text: str, reason: str) -> None:
    """The reason is sent in a close frame, and the message may have held a token."""
    with pytest.raises(MessageError) as caught:
        parse(text)

    assert str(caught.value).startswith(reason)
    assert "secret" not in str(caught.value)
