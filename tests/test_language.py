"""Documents and messages use none of the phrases that docs/style.md rejects, and the glossary matches the project."""

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path

from tests.by_file import ROOT, by_file

STYLE = ROOT / "docs/style.md"
GLOSSARY = ROOT / "docs/glossary.md"
DOCUMENTS = sorted({ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")} - {STYLE})
MODULES = sorted((ROOT / "relay").rglob("*.py"))
PAGES = sorted(
    path
    for folder in ("src", "pages")
    for path in (ROOT / "static" / folder).rglob("*")
    if path.suffix in (".html", ".js")
)
SPEAKING = [path for path in MODULES if "sandbox" not in path.parts]
"""The modules whose messages are checked. The sandbox's texts imitate platforms and models."""
LONGEST_LINE = 160

_FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`]*`")


def first_cells(document: Path) -> Iterator[str]:
    """Yield the first cell of each table row, without the heads."""
    lines = document.read_text(encoding="utf-8").splitlines()
    for before, line in pairwise(lines):
        if line.startswith("|") and before.startswith("|") and not line.startswith("| ---"):
            yield line.strip("|").split("|")[0].strip()


def rejected_phrases() -> list[str]:
    """Return the phrases in the table "Patterns to avoid" of docs/style.md."""
    (table,) = re.findall(r"## Patterns to avoid\n(.*?)\n## ", STYLE.read_text(encoding="utf-8"), re.DOTALL)
    rows = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    return [phrase for row in rows for phrase in re.findall(r"`([^`]+)`", row)]


REJECTED = re.compile(rf"\b(?:{'|'.join(map(re.escape, rejected_phrases()))})\b", re.IGNORECASE)


def messages(path: Path) -> Iterator[str]:
    """Yield every text of three words or more that is not a docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in docstrings:
            continue
        if len(node.value.split()) >= 3:
            yield node.value


def page_texts(path: Path) -> list[str]:
    """Return the texts of three words or more in an HTML page or a script, without comments."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".html":
        texts = re.findall(r">([^<]+)<", source)
    else:
        code = re.sub(r"(?s:/\*.*?\*/)|(?<!:)//.*", "", source)
        texts = re.findall(r"\"[^\"\n]*\"|`[^`]*`", code)
    return [text for text in texts if len(text.split()) >= 3]


def prose(path: Path) -> str:
    """Return a document without its code blocks."""
    return _FENCED.sub("", path.read_text(encoding="utf-8"))


def rejected(files: Iterable[Path], texts: Callable[[Path], Iterable[str]]) -> dict[str, list[str]]:
    """Return the texts that use a rejected phrase, by file."""
    return by_file(files, lambda path: filter(REJECTED.search, texts(path)))


def test_no_document_uses_a_rejected_phrase() -> None:
    """Prose is checked; code blocks are not."""
    assert rejected(DOCUMENTS, lambda path: REJECTED.findall(prose(path))) == {}


def test_no_message_uses_a_rejected_phrase() -> None:
    """Error messages, help texts and descriptions of settings read like the documents."""
    assert rejected(SPEAKING, messages) == {}


def test_no_page_uses_a_rejected_phrase() -> None:
    """Texts of pages and scripts read like the documents."""
    assert rejected(PAGES, page_texts) == {}


def test_no_line_of_prose_is_too_long() -> None:
    """One sentence per line keeps changes readable; table rows and code are exempt."""

    def too_long(path: Path) -> list[str]:
        return [line for line in prose(path).splitlines() if len(line) > LONGEST_LINE and not line.startswith("|")]

    assert by_file([*DOCUMENTS, STYLE], too_long) == {}


def test_every_glossary_word_is_used() -> None:
    """The glossary explains words that the code uses, and no others."""
    sources = [*MODULES, *ROOT.glob("static/**/*.js")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources).lower().replace("_", " ")
    words = [*first_cells(GLOSSARY)]
    assert len(words) > 40
    assert [word for word in words if word.lower() not in text] == []


def test_the_glossary_explains_a_word_once() -> None:
    """One word has one meaning."""
    words = [*first_cells(GLOSSARY)]
    assert len(words) == len(set(words))
