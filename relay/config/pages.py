"""Settings of what web pages may do: call the API, embed a task, load media."""

from pydantic import Field, field_validator

from relay.config.base import Group, comma_separated
from relay.net.origin import normalized_origin, normalized_sources


class Pages(Group):
    """Web pages."""

    allowed_origins: tuple[str, ...] = Field(
        (),
        alias="RELAY_ALLOWED_ORIGINS",
        description="Comma-separated origins whose pages may use the API, such as `https://shop.example.com`, or "
        "`https://*.example.com` for all subdomains. Unset: only pages of the relay's own origin.",
    )
    frame_ancestors: str = Field(
        "'self'",
        alias="RELAY_FRAME_ANCESTORS",
        description="Sites that may embed `/embed/…` in an iframe, separated by spaces, as in the "
        "`frame-ancestors` directive of a Content-Security-Policy.",
    )
    media_sources: str = Field(
        "https:",
        alias="RELAY_MEDIA_SOURCES",
        description="Sources from which the relay's pages may load images and videos, in addition to the relay itself, "
        "separated by spaces, as in a Content-Security-Policy.",
    )

    _split_origins = field_validator("allowed_origins", mode="before")(comma_separated)

    @field_validator("allowed_origins")
    @classmethod
    def _normalize_origins(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(normalized_origin(value) for value in values))

    @field_validator("frame_ancestors")
    @classmethod
    def _normalize_ancestors(cls, value: str) -> str:
        if not value:
            raise ValueError("must not be empty; use 'none' to forbid embedding")
        return normalized_sources(value)

    @field_validator("media_sources")
    @classmethod
    def _normalize_media(cls, value: str) -> str:
        sources = normalized_sources(value, paths=True)
        if sources == "'none'":
            raise ValueError("must not be 'none': the relay's own files are always allowed; leave the value empty")
        return sources
