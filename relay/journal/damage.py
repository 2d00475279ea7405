"""Damaged rows: any error in decoding the stored data of a task becomes a StoreDamaged."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from relay.errors import StoreDamaged


@contextmanager
def decoding(task: str, part: str) -> Iterator[None]:
    """
    Decode stored data of a task inside the block.

    Raises:
        StoreDamaged: it cannot be decoded. The error does not quote the data, which is private.
    """
    try:
        yield
    except (sqlite3.Error, StoreDamaged):
        raise
    except Exception:  # noqa: BLE001 - damaged data can violate any assumption of the code that reads it
        raise StoreDamaged(task, part) from None
