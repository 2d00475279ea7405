"""Types of fields that several request bodies and queries share. Their messages name what a field accepts."""

import re
from collections.abc import Sequence
from functools import partial
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema

from relay.access.grants import MAX_TTL_S, MILLISECONDS_FROM, SCOPES

MODEL_PATTERN = r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}/[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$"
"""The name becomes part of a URL of the platform. Without a leading dot, it cannot address another call (`..`)."""

VIEWER_SCOPES = tuple(scope for scope in SCOPES if scope != "start")
"""The scopes of a token of one task."""


def _pattern(scopes: Sequence[str]) -> str:
    return rf"^({'|'.join(scopes)})( ({'|'.join(scopes)}))*$"


def _model_name(text: str) -> str:
    if not re.fullmatch(MODEL_PATTERN, text):
        raise ValueError(
            "must be `owner/name`, each 1 to 100 letters, digits, `.`, `_` or `-`, and must not start with a dot"
        )
    return text


def _check_scopes(known: Sequence[str], text: str) -> str:
    if not re.fullmatch(_pattern(known), text):
        raise ValueError(f"must be one or more of {', '.join(known)}, separated by single spaces")
    return text


def _seconds(value: float) -> float:
    if abs(value) >= MILLISECONDS_FROM:
        raise ValueError(f"must be in unix seconds; {value:.15g} looks like milliseconds")
    return value


# The OpenAPI document has the patterns; error messages describe them in words.
ModelName = Annotated[str, AfterValidator(_model_name), WithJsonSchema({"type": "string", "pattern": MODEL_PATTERN})]
Scopes = Annotated[
    str,
    AfterValidator(partial(_check_scopes, VIEWER_SCOPES)),
    WithJsonSchema({"type": "string", "pattern": _pattern(VIEWER_SCOPES)}),
]
TagScopes = Annotated[
    str,
    AfterValidator(partial(_check_scopes, SCOPES)),
    WithJsonSchema({"type": "string", "pattern": _pattern(SCOPES)}),
]
TokenTtl = Annotated[int, Field(ge=1, le=MAX_TTL_S)]
"""In seconds."""
Timestamp = Annotated[float, Field(allow_inf_nan=False), AfterValidator(_seconds)]
"""In unix seconds."""
Name = Annotated[str, StringConstraints(min_length=1, max_length=256)]
"""The name of a file or folder."""
