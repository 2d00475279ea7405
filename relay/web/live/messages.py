"""The messages of a client on a WebSocket, parsed once. Anything else is a protocol error with a reason."""

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from relay.core.tag import Tag
from relay.errors import RelayError
from relay.hub.topic import ALL, Topic

TaskId = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Token = Annotated[str, StringConstraints(min_length=1, max_length=8192)]


class MessageError(RelayError):
    """The client violates the protocol. The text says how, and quotes nothing that the client sent."""


def _true_or_none(value: object) -> object:
    """Refuse 1, which equals True."""
    if value is not None and value is not True:
        raise ValueError("must be true if it is given")
    return value


class HasTopic(BaseModel):
    """A message about exactly one topic."""

    model_config = ConfigDict(strict=True)

    task: TaskId | None = None
    tag: Tag | None = None
    all: Annotated[Literal[True] | None, BeforeValidator(_true_or_none)] = None

    @model_validator(mode="after")
    def _check_one_topic(self) -> "HasTopic":
        if [self.task, self.tag, self.all].count(None) != 2:
            raise ValueError("name exactly one of task, tag and all")
        return self

    @property
    def topic(self) -> Topic:
        if self.task is not None:
            return "task", self.task
        return ("tag", self.tag) if self.tag is not None else ALL


class SubscriptionRequest(HasTopic):
    """A subscription that a client requests."""

    cursor: str | None = None
    known: dict[str, str] = {}
    """The cursor of each task of a board whose state the client has."""
    token: Token | None = None


class Subscribe(SubscriptionRequest):
    type: Literal["subscribe"]


class Unsubscribe(HasTopic):
    type: Literal["unsubscribe"]


class Auth(BaseModel):
    model_config = ConfigDict(strict=True)

    type: Literal["auth"]
    token: Token


Message = Subscribe | Unsubscribe | Auth
_MESSAGE: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="type")])


def parse(text: str) -> Message:
    """
    Parse one message.

    Raises:
        MessageError: it is not a valid message.
    """
    try:
        return _MESSAGE.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        if first["type"].startswith("union_tag"):
            raise MessageError("type must be subscribe, unsubscribe or auth") from None
        field = ".".join(map(str, first["loc"][1:]))
        problem = first["msg"].removeprefix("Value error, ")
        raise MessageError(f"{field}: {problem}" if field else problem) from None
