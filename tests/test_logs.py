"""docs/logs.md lists every event that the relay logs, with its levels and its fields."""

import ast
import re
from collections import defaultdict
from pathlib import Path

from tests.by_file import ROOT
from tests.test_docs import names, rows

LEVELS = {name: name for name in ("debug", "info", "warning", "error")} | {"exception": "error"}

COMPUTED = {
    **{f"journal.{use}_failed": {"error"} for use in ("read", "write")},
    **{f"journal.{use}_recovered": {"info"} for use in ("read", "write")},
    "log.lines_dropped": {"warning"},
    "request.answered": {"debug", "info"},
}
"""Events whose name or level the code computes."""

_EVENT = re.compile(r"[a-z_]+\.[a-z_]+")


def logged() -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Return the levels and the fields of each event in the code."""
    levels: dict[str, set[str]] = defaultdict(set)
    fields: dict[str, set[str]] = defaultdict(set)
    for path in sorted((ROOT / "relay").rglob("*.py")):
        if "sandbox" in path.relative_to(ROOT).parts:
            continue
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and _is_logger(call.func.value):
                method, first = call.func.attr, call.args[0] if call.args else None
                if method in LEVELS and isinstance(first, ast.Constant):
                    name = str(first.value)
                    assert _EVENT.fullmatch(name), f"{path}: {name}"
                    levels[name].add(LEVELS[method])
                    fields[name] |= {word.arg for word in call.keywords if word.arg not in (None, "exc_info")}
                elif method in LEVELS or method == "log":
                    assert Path(path).name in {"availability.py", "application.py"}, f"{path}: not a constant name"
    return levels | COMPUTED, fields


def _is_logger(node: ast.expr) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name in {"_log", "log_", "logger"}


def test_every_event_is_listed_with_its_levels_and_fields() -> None:
    """In alphabetical order. Those of the sandbox are not part of the relay's log."""
    table = rows((ROOT / "docs/logs.md").read_text(encoding="utf-8"), "event", "level", "meaning")
    listed = [names(row[0])[0] for row in table]
    levels, fields = logged()
    assert listed == sorted(listed)
    assert {names(row[0])[0]: set(row[1].split(", ")) for row in table} == levels
    assert all(row[2] for row in table)
    for event, row in zip(listed, table, strict=True):
        if event in fields and event not in COMPUTED:
            assert set(names(row[3])) >= fields[event], event
