"""The result of a row: figures with their targets, and tables of what was measured side by side."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the summary. `reached` is None if there is no target."""

    measure: str
    got: str
    reach: str = "-"
    reached: bool | None = None

    @property
    def verdict(self) -> str:
        return {None: "-", True: "yes", False: "**no**"}[self.reached]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of contestants, as it is printed."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of one row. `worse` has a sentence for each measure in which a peer is better."""

    figures: tuple[Figure, ...]
    tables: tuple[Table, ...] = ()
    worse: tuple[str, ...] = ()
    note: str = ""
    """What readers need to know to interpret the figures."""


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table whose columns are aligned in a terminal too."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in [head, *rows]]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
