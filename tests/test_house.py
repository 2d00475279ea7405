"""Rules that no linter checks: which packages use the HTTP server, how files are shaped, what README and locks say."""

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
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


def by_name(path: Path) -> str:
    """Return a path relative to the project."""
    return str(path.relative_to(ROOT))


def test_only_the_edge_knows_the_http_server() -> None:
    """aiohttp's server is a detail of `web` and `gateway`; `app` starts it, and the sandbox is a server of its own."""
    inner = [path for path in MODULES if room_of(name_of(path)) not in MAY_SERVE_HTTP]
    serving = {by_name(path): {name for name in imports(path) if SERVER.match(name)} for path in inner}

    assert {path: names for path, names in serving.items() if names} == {}


def test_a_module_is_one_idea() -> None:
    """No file is too long to be read at once, or named for being a drawer."""
    files = {by_name(path): path.read_text(encoding="utf-8").splitlines() for path in [*MODULES, *SCRIPTS]}

    assert {path: len(lines) for path, lines in files.items() if len(lines) > LARGEST_LINES} == {}
    assert [path for path in files if re.search(r"utils?|helpers?|common|managers?|misc", Path(path).stem)] == []
    left = {path: [line for line in lines if LEFT_UNDONE.search(line)] for path, lines in files.items()}
    assert {path: lines for path, lines in left.items() if lines} == {}


def test_a_script_makes_no_markup_out_of_text() -> None:
    """What came from outside can only ever become text, and the strict policy is never in the way."""
    scripts = {by_name(path): path.read_text(encoding="utf-8") for path in SCRIPTS}
    markup = {path: [match[0] for match in MARKUP.finditer(code)] for path, code in scripts.items()}

    assert {path: found for path, found in markup.items() if found} == {}
    assert [path for path, code in scripts.items() if not code.startswith("// @ts-check\n")] == []


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


def test_a_page_has_no_inline_script_or_style() -> None:
    """The policy forbids them, so a page that has some is broken."""
    found = {}
    for path in PAGES:
        inline = Inline()
        inline.feed(path.read_text(encoding="utf-8"))
        found[by_name(path)] = inline.found

    assert {path: inline for path, inline in found.items() if inline} == {}


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
