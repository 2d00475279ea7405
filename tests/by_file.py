"""Rules about files of the project: one test checks all of them, and names each that breaks it."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

Found = TypeVar("Found")

ROOT = Path(__file__).parents[1]


def path_of(path: Path) -> str:
    """Return a path relative to the project."""
    return str(path.relative_to(ROOT))


def by_file(files: Iterable[Path], find: Callable[[Path], Iterable[Found]]) -> dict[str, list[Found]]:
    """Return what `find` finds in each file, without the files in which it finds nothing."""
    found = {path_of(path): list(find(path)) for path in files}
    return {path: each for path, each in found.items() if each}
