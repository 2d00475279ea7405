"""Request bodies of the calls on a platform's file store."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, WithJsonSchema

from relay.web.api.fields import Name

_STRICT = ConfigDict(extra="forbid", strict=True)


class FileBody(BaseModel):
    """The text parts of `POST /v1/files`, which precede the file."""

    model_config = _STRICT

    folder: Name | None = None
    provider: str | None = None


class FileForm(FileBody):
    """`POST /v1/files` as `multipart/form-data`."""

    model_config = ConfigDict(extra="ignore")

    file: Annotated[bytes, WithJsonSchema({"type": "string", "format": "binary"})]


class FolderBody(BaseModel):
    """`POST /v1/folders`."""

    model_config = _STRICT

    name: Name
    parent: Name | None = None
    provider: str | None = None
