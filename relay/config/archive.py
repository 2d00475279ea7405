"""Settings of the archive: where results are kept, how many of them, and for how long."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator, ByteSize, Field, field_validator

from relay.config.base import Group, none_if_empty
from relay.config.units import Seconds

_BUCKET = re.compile(r"(?:s3|gs|az)://[^/?#@\s]+(?:/[^?#\s]*)?")


class Archive(Group):
    """Archive."""

    archive: Annotated[str | None, BeforeValidator(none_if_empty)] = Field(
        None,
        alias="RELAY_ARCHIVE",
        description="Where results are kept: `file:///PATH`, `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX` or "
        "`az://ACCOUNT/CONTAINER/PREFIX`. Credentials are in the usual variables of each service, such as "
        "`AWS_ACCESS_KEY_ID`. Unset: results stay at the platform.",
    )
    archive_url: Annotated[str | None, BeforeValidator(none_if_empty)] = Field(
        None,
        alias="RELAY_ARCHIVE_URL",
        description="URL of a CDN in front of the bucket, to which results are redirected. Unset: a signed URL of the "
        "bucket, valid for an hour.",
    )
    archive_file_limit_bytes: ByteSize = Field(
        ByteSize(2 * 2**30), alias="RELAY_ARCHIVE_FILE_LIMIT", ge=1, description="Maximum size of a result to keep."
    )
    archive_limit_bytes: ByteSize = Field(
        ByteSize(100 * 2**30),
        alias="RELAY_ARCHIVE_LIMIT",
        ge=1,
        description="Maximum size of all kept results. Beyond it, the oldest are removed.",
    )
    archive_age_s: Seconds = Field(
        0.0,
        alias="RELAY_ARCHIVE_AGE",
        ge=0,
        description="Time that a result is kept. `0` keeps it as long as its task.",
    )
    zip_limit_bytes: ByteSize = Field(
        ByteSize(4 * 2**30),
        alias="RELAY_ZIP_LIMIT",
        ge=1,
        description="Maximum size of a ZIP archive of all results of a task, kept or not.",
    )

    @field_validator("archive")
    @classmethod
    def _kept_there(cls, value: str | None) -> str | None:
        if value is None or _BUCKET.fullmatch(value) or re.fullmatch(r"file:///[^?#]+", value):
            return value
        raise ValueError("use file:///PATH, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://ACCOUNT/CONTAINER/PREFIX")

    @field_validator("archive_url")
    @classmethod
    def _of_a_cdn(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment or "@" in value:
            raise ValueError("use a URL such as https://cdn.example.com/results, without user name, query and fragment")
        return value.rstrip("/")
