"""What a row has to say: figures beside what they must reach, tables of what was measured side by side."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table. `reached` is null where nothing was promised."""

    measure: str
    got: str
    reach: str = "-"
    reached: bool | None = None

    @property
    def verdict(self) -> str:
        return {None: "-", True: "yes", False: "**no**"}[self.reached]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What was measured side by side, as it is printed."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one row measured. `worse` has a sentence for each thing in which somebody else is better."""

    figures: tuple[Figure, ...]
    tables: tuple[Table, ...] = ()
    worse: tuple[str, ...] = ()
    note: str = ""
    """What one must know to read the figures."""


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose columns also stand under each other in a terminal."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in [head, *rows]]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
