"""Rules that no linter checks: which packages use the HTTP server, how files are shaped, what README and locks say."""

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.by_file import ROOT, by_file

PACKAGE = ROOT / "relay"
STATIC = ROOT / "static"

MAY_SERVE_HTTP = {"web", "gateway", "sandbox", "app"}
LARGEST_LINES = 400

MODULES = sorted(PACKAGE.rglob("*.py"))
SCRIPTS = sorted(path for folder in ("src", "pages") for path in (STATIC / folder).rglob("*.js"))
PAGES = sorted(STATIC.rglob("*.html"))
LOCKS = ROOT / "requirements"

SERVER = re.compile(r"aiohttp\.(web|test_utils)")
LEFT_UNDONE = re.compile(r"\b(TODO|FIXME|XXX)\b")
MARKUP = re.compile(
    r"\b(inner|outer)HTML\b|\binsertAdjacentHTML\b|\bdocument\.write|\bcreateContextualFragment\b|\bsrcdoc\b"
    r"|\beval\(|\bnew Function\b|\bset(Timeout|Interval)\(\s*[\"'`]"
    r"|\bcssText\b|[\"']style[\"']\s*,|\bstyle:\s|setAttribute\(\s*[\"']on"
)


def name_of(path: Path) -> str:
    """Return a module's dotted name."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(name: str) -> str:
    """Return the room of a module of ours, empty for the package itself."""
    return name.split(".")[1] if "." in name else ""


def imports(path: Path) -> Iterator[str]:
    """Yield the dotted name of everything that a file imports: modules, and names out of modules."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                assert not level, f"{path}: an import is written in full"
                yield from (f"{module}.{alias.name}" for alias in names)
            case _:
                pass


def lines_of(path: Path) -> list[str]:
    """Return the lines of a file."""
    return path.read_text(encoding="utf-8").splitlines()


def test_only_the_edge_knows_the_http_server() -> None:
    """aiohttp's server is a detail of `web` and `gateway`; `app` starts it, and the sandbox is a server of its own."""

    def serving(path: Path) -> list[str]:
        names = [name for name in imports(path) if SERVER.match(name)]  # of every file: `imports` checks them, too
        return [] if room_of(name_of(path)) in MAY_SERVE_HTTP else names

    assert by_file(MODULES, serving) == {}


def test_a_module_is_one_idea() -> None:
    """No file is too long to be read at once, or named for being a drawer."""
    files = [*MODULES, *SCRIPTS]

    assert by_file(files, lambda path: lines_of(path)[LARGEST_LINES:]) == {}
    assert by_file(files, lambda path: re.findall(r"utils?|helpers?|common|managers?|misc", path.stem)) == {}
    assert by_file(files, lambda path: filter(LEFT_UNDONE.search, lines_of(path))) == {}


def test_a_script_makes_no_markup_out_of_text() -> None:
    """What came from outside can only ever become text, and the strict policy is never in the way."""
    assert by_file(SCRIPTS, lambda path: [match[0] for match in MARKUP.finditer(path.read_text("utf-8"))]) == {}
    assert [path for path in SCRIPTS if lines_of(path)[0] != "// @ts-check"] == []


class Inline(HTMLParser):
    """Gathers what a policy without `unsafe-inline` would refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = {name for name, _ in attrs}
        if tag == "style" or (tag == "script" and "src" not in names):
            self.found.append(tag)
        self.found += [name for name in names if name == "style" or name.startswith("on")]


def inline(path: Path) -> list[str]:
    """Return the inline scripts and styles of a page."""
    parser = Inline()
    parser.feed(path.read_text(encoding="utf-8"))
    return parser.found


def test_a_page_has_no_inline_script_or_style() -> None:
    """The policy forbids them, so a page that has some is broken."""
    assert by_file(PAGES, inline) == {}


def test_the_static_files_are_found() -> None:
    """A wrong path would let the tests above pass with nothing to do."""
    assert len(MODULES) > 50
    assert len(SCRIPTS) > 20
    assert len(PAGES) >= 3


def locked(name: str) -> dict[str, str]:
    """Return name to version of a lock file's requirements, each of them with a hash."""
    text = (LOCKS / name).read_text(encoding="utf-8").replace("\\\n", " ")
    found = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("#"):
            continue
        match = re.fullmatch(
            r"([\w.\-]+)==([\w.+!]+)(?: ;[^#]*?)?((?:\s+--hash=sha256:[0-9a-f]{64})+)(?:\s+#.*)?", line
        )
        assert match, f"{name}: {line[:120]}"
        found[match[1].lower()] = match[2]
    return found


@pytest.mark.parametrize("name", ["run.txt", "dev.txt"])
def test_a_lock_pins_and_hashes_every_package_and_names_no_index(name: str) -> None:
    """What is installed is what was looked at, wherever it is fetched from."""
    assert len(locked(name)) > 10
    assert not re.search(r"://|--index|--find-links|--trusted", (LOCKS / name).read_text(encoding="utf-8"))


def test_what_runs_is_what_was_tested() -> None:
    """Every package of the runtime lock is in the development lock, in the same version."""
    assert locked("run.txt").items() <= locked("dev.txt").items()
