"""The npm package in clients/js belongs to the present version of the relay."""

import json
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = json.loads((ROOT / "clients" / "js" / "package.json").read_bytes())


def test_the_package_has_the_name_and_the_version_of_the_relay() -> None:
    """Both are released together."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert (PACKAGE["name"], PACKAGE["version"]) == (project["name"], project["version"])


def test_every_entry_has_a_source_with_types() -> None:
    """The build copies or bundles it to dist/."""
    entries = [Path(entry["default"]).stem for entry in PACKAGE["exports"].values() if isinstance(entry, dict)]

    assert len(entries) == 4
    for entry in entries:
        assert (ROOT / "clients/js/src" / f"{entry}.js").is_file()
        assert (ROOT / "clients/js/src" / f"{entry}.d.ts").is_file()
    assert not PACKAGE.get("dependencies")
