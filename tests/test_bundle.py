"""The committed scripts belong to the present sources. `make lint` builds them again and compares every byte."""

import json
import re
from base64 import b64encode
from hashlib import sha256, sha384
from pathlib import Path

ROOT = Path(__file__).parents[1]
STATIC = ROOT / "static"
MANIFEST = json.loads((STATIC / "dist" / "manifest.json").read_bytes())


def source_digest() -> str:
    """Compute what `.ci/bundle.js` computes: a digest of the sources, of the bundler and of how it is called."""
    esbuild = json.loads((ROOT / "package.json").read_bytes())["devDependencies"]["esbuild"]
    sources = [
        path for folder in ("src", "pages") for path in (STATIC / folder).rglob("*") if path.suffix in (".js", ".css")
    ]
    names = sorted([".ci/bundle.js", ".ci/style-sheets.js", *(path.relative_to(ROOT).as_posix() for path in sources)])
    lines = [f"{name} {sha256((ROOT / name).read_bytes()).hexdigest()}\n" for name in names]
    return sha256("".join([f"esbuild {esbuild}\n", *lines]).encode()).hexdigest()


def test_the_scripts_are_made_from_the_present_sources() -> None:
    """A change without `make bundle` would not reach a browser."""
    assert MANIFEST["sources"] == source_digest(), "static/ has changed: run `make bundle` and commit static/dist/"


def test_every_script_is_there_and_nothing_else() -> None:
    """Each in three forms."""
    scripts = {name + suffix for name in MANIFEST["scripts"].values() for suffix in ("", ".gz", ".br")}

    assert {path.name for path in (STATIC / "dist").iterdir()} == scripts | {"manifest.json", "early.js"}


def test_the_documented_integrity_is_that_of_the_client() -> None:
    """A browser would refuse any other."""
    script = (STATIC / "dist" / MANIFEST["scripts"]["relay"]).read_bytes()
    integrity = f"sha384-{b64encode(sha384(script).digest()).decode()}"
    documented = re.findall(r'integrity="([^"]*)"', (ROOT / "docs" / "embedding.md").read_text(encoding="utf-8"))

    assert MANIFEST["integrity"] == integrity
    assert documented == [integrity]
