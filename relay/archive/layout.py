"""The names of what the archive has of one file."""

from typing import Final

from relay.journal.file_copies import FileCopy

FILE: Final = "file"
"""The name of the copy itself under its prefix."""


def prefix_of(copy: FileCopy) -> str:
    """Return what the names of everything about a copy begin with."""
    return f"{copy.task}/{copy.part}"
