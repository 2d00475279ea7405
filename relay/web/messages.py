"""What a client may say on a WebSocket, parsed once. Everything else is a protocol error with a reason."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError, model_validator

from relay.errors import RelayError
from relay.hub.viewer import Subject

Word = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Credential = Annotated[str, StringConstraints(min_length=1, max_length=8192)]


class MessageError(RelayError):
    """The client does not speak our protocol; the text says what was wrong, and repeats nothing of what it sent."""


class _Aimed(BaseModel):
    """A message about one task or one tag: its `aim`."""

    model_config = ConfigDict(strict=True)

    task: Word | None = None
    tag: Word | None = None

    @model_validator(mode="after")
    def _one_aim(self) -> "_Aimed":
        if (self.task is None) == (self.tag is None):
            raise ValueError("name one task or one tag")
        return self

    @property
    def aim(self) -> tuple[Subject, str]:
        if self.task is not None:
            return "task", self.task
        if self.tag is not None:
            return "tag", self.tag
        raise AssertionError("a message without an aim is refused when it is read")


class Subscribe(_Aimed):
    type: Literal["subscribe"]
    cursor: str | None = None
    token: Credential | None = None


class Unsubscribe(_Aimed):
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
