"""
A later version of the relay, made from this one.

It has tables with one more column each, functions of its own, and a type of events that this version does not know. If
a place that it changes is not found, the place has moved, and this module has to be adapted.
"""

import re
import shutil
from pathlib import Path

import relay
from relay.journal.postgres.migrations import SCHEMA_VERSION
from relay.web.static_files import STATIC

LATER_SCHEMA = SCHEMA_VERSION + 1
LANDING = "landing"
"""The type of the event that it writes after the platform has accepted a task."""

TABLES = (
    *("nodes", "heads", "tasks", "upstreams", "events", "claims", "commands", "secrets", "listed", "words"),
    *("copies", "webhooks", "tombstones", "audit", "revocations"),
)

_UPGRADE = "; ".join(f"ALTER TABLE {table} ADD COLUMN later text DEFAULT 'x'" for table in TABLES)

_FUNCTION = "CREATE OR REPLACE FUNCTION relay_later() RETURNS integer LANGUAGE sql AS 'SELECT 1';"

_EMIT = rf"""\1\2\1from relay.core.events import Unknown
\1self._writer.emit("{LANDING}", Unknown(), now, Source.RELAY)
"""

CHANGES = (
    ("journal/postgres/migrations.py", r"(SCHEMA_VERSION: Final = )\d+", rf"\g<1>{LATER_SCHEMA}"),
    ("journal/postgres/migrations.py", r"(_UPGRADES: .* = \{)", rf'\g<1>{SCHEMA_VERSION}: "{_UPGRADE}", '),
    ("journal/postgres/functions.sql", r"\A", f"{_FUNCTION}\n"),
    ("core/transitions.py", r'(    "submitted": State.QUEUED,\n)', rf'\g<1>    "{LANDING}": State.QUEUED,\n'),
    (
        "core/lifecycle.py",
        r"( +)(self\._writer\.submitted\(upstream_id, now, Source\.RELAY\)\n)",
        _EMIT,
    ),
)
"""In which file what is replaced, once: a regular expression and its replacement."""


def make_later_version(folder: Path) -> Path:
    """Write the package into an empty directory, and return the directory, for PYTHONPATH."""
    package = folder / "relay"
    shutil.copytree(Path(relay.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(STATIC / "dist", package / "static" / "dist")
    shutil.copytree(STATIC / "pages", package / "static" / "pages")
    for name, pattern, replacement in CHANGES:
        file = package / name
        text, count = re.subn(pattern, replacement, file.read_text(encoding="utf-8"))
        assert count == 1, f"{pattern} occurs {count} times in {name}"
        file.write_text(text, encoding="utf-8")
    return folder
