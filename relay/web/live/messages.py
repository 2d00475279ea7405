"""What a client may say on a WebSocket, parsed once. Everything else is a protocol error with a reason."""

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

Word = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Credential = Annotated[str, StringConstraints(min_length=1, max_length=8192)]


Aim = tuple[Literal["task"], str] | tuple[Literal["tag"], str] | tuple[Literal["all"], None]
"""What a subscription is about, and its name."""


class MessageError(RelayError):
    """The client does not speak our protocol; the text says what was wrong, and repeats nothing of what it sent."""


def _true(value: object) -> object:
    """Refuse 1, which equals True."""
    if value is not None and value is not True:
        raise ValueError("must be true where it is given")
    return value


class Aimed(BaseModel):
    """Something about one task, one tag or all tasks: its `aim`."""

    model_config = ConfigDict(strict=True)

    task: Word | None = None
    tag: Tag | None = None
    all: Annotated[Literal[True] | None, BeforeValidator(_true)] = None

    @model_validator(mode="after")
    def _one_aim(self) -> "Aimed":
        if [self.task, self.tag, self.all].count(None) != 2:
            raise ValueError("name exactly one of task, tag and all")
        return self

    @property
    def aim(self) -> Aim:
        if self.task is not None:
            return "task", self.task
        return ("tag", self.tag) if self.tag is not None else ("all", None)


class Wanted(Aimed):
    """A subscription that a client asks for."""

    cursor: str | None = None
    token: Credential | None = None


class Subscribe(Wanted):
    type: Literal["subscribe"]


class Unsubscribe(Aimed):
    type: Literal["unsubscribe"]


class Auth(BaseModel):
    model_config = ConfigDict(strict=True)

    type: Literal["auth"]
    token: Credential


Message = Subscribe | Unsubscribe | Auth
_MESSAGE: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="type")])


def parse(text: str) -> Message:
    """
    Read one message.

    Raises:
        MessageError: it is none of ours.
    """
    try:
        return _MESSAGE.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        if first["type"].startswith("union_tag"):
            raise MessageError("a message's type is subscribe, unsubscribe or auth") from None
        where = ".".join(map(str, first["loc"][1:]))
        said = first["msg"].removeprefix("Value error, ")
        raise MessageError(f"{where}: {said}" if where else said) from None
