"""
Tags: printable text of up to 64 characters, in a normal form.

`é` can be one character or two (`e` and an accent). Both look the same, so tags are normalized to Unicode's composed
form (NFC) and stripped of surrounding white space, wherever they come from: requests, tokens, URLs and messages.
"""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from relay.core.printable import first_unprintable

MAX_CHARS = 64


def normalize_tag(text: str) -> str:
    """
    Return the normal form of a tag.

    Raises:
        ValueError: it is empty, too long, or contains invisible characters.
    """
    tag = unicodedata.normalize("NFC", text).strip()
    if not tag:
        raise ValueError("a tag must not be empty")
    if len(tag) > MAX_CHARS:
        raise ValueError(f"a tag must have at most {MAX_CHARS} characters; this one has {len(tag)}")
    if (char := first_unprintable(tag)) is not None:
        raise ValueError(f"a tag must be printable text; U+{ord(char):04X} is not")
    return tag


Tag = Annotated[
    str,
    AfterValidator(normalize_tag),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_CHARS, "pattern": r"\S"}),
]
