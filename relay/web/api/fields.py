"""Types of fields that several request bodies and queries share. Their messages name what a field accepts."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema

from relay.access.grants import MAX_TTL_S, MILLISECONDS_FROM, SCOPES

MODEL_PATTERN = r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}/[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$"
"""The name becomes part of a URL of the platform. Without a leading dot, it cannot address another call (`..`)."""

_SCOPES_PATTERN = rf"^({'|'.join(SCOPES)})( ({'|'.join(SCOPES)}))*$"


def _model_name(text: str) -> str:
    if not re.fullmatch(MODEL_PATTERN, text):
        raise ValueError(
            "must be `owner/name`, each 1 to 100 letters, digits, `.`, `_` or `-`, and must not start with a dot"
        )
    return text


def _scopes(text: str) -> str:
    if not re.fullmatch(_SCOPES_PATTERN, text):
        raise ValueError(f"must be one or more of {', '.join(SCOPES)}, separated by single spaces")
    return text


def _seconds(value: float) -> float:
    if abs(value) >= MILLISECONDS_FROM:
        raise ValueError(f"must be in unix seconds; {value:.15g} looks like milliseconds")
    return value


# The OpenAPI document has the patterns; error messages describe them in words.
ModelName = Annotated[str, AfterValidator(_model_name), WithJsonSchema({"type": "string", "pattern": MODEL_PATTERN})]
Scopes = Annotated[str, AfterValidator(_scopes), WithJsonSchema({"type": "string", "pattern": _SCOPES_PATTERN})]
TokenTtl = Annotated[int, Field(ge=1, le=MAX_TTL_S)]
"""In seconds."""
Timestamp = Annotated[float, Field(allow_inf_nan=False), AfterValidator(_seconds)]
"""In unix seconds."""
Name = Annotated[str, StringConstraints(min_length=1, max_length=256)]
"""The name of a file or folder."""
