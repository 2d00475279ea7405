"""The journal in one SQLite file, for one relay on one machine."""

from relay.journal.sqlite.journal import SQLiteJournal

__all__ = ["SQLiteJournal"]
