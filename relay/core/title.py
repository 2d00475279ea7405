"""Titles: one line of printable text that says what a task is about, to everyone who may view the task."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from relay.core.printable import first_unprintable

MAX_CHARS = 200


def normalize_title(text: str) -> str:
    """
    Return a title in Unicode's composed form (NFC), without white space around it. It may be empty.

    Raises:
        ValueError: it is too long, or contains invisible characters.
    """
    title = unicodedata.normalize("NFC", text).strip()
    if len(title) > MAX_CHARS:
        raise ValueError(f"a title must have at most {MAX_CHARS} characters; this one has {len(title)}")
    if (char := first_unprintable(title)) is not None:
        raise ValueError(f"a title must be one line of printable text; U+{ord(char):04X} is not")
    return title


Title = Annotated[str, AfterValidator(normalize_title), WithJsonSchema({"type": "string", "maxLength": MAX_CHARS})]
