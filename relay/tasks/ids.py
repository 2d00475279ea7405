"""Random ids of tasks and of their callback addresses."""

import secrets

ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
"""URL-safe, and without letters that are easily mistaken for others."""

ID_LENGTH = 26
"""130 random bits: neither a task nor its callback address can be guessed."""


def random_id(cell: str | None = None) -> str:
    """Return a new id. With a cell, it starts with its name and a hyphen, so that a proxy can route by it."""
    bits = "".join(secrets.choice(ALPHABET) for _ in range(ID_LENGTH))
    return bits if cell is None else f"{cell}-{bits}"
