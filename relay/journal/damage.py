"""Damaged rows: any error in decoding the stored data of a task becomes a StoreDamaged, which is logged once."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from relay import log
from relay.errors import StoreDamaged

_log = log.get("journal")


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


class DamageLog:
    """Logs each damage once, however often it is found."""

    def __init__(self) -> None:
        self._logged: set[str] = set()

    def note(self, damage: StoreDamaged) -> None:
        """Log a damage unless it has been logged."""
        if (text := str(damage)) not in self._logged:
            self._logged.add(text)
            _log.error("journal.damage_found", task=damage.task, error=text)
