"""The findings as text: for the terminal, and for RESULTS.md."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from bench import machine
from bench.finding import Finding, markdown

PATH = Path(__file__).parent / "RESULTS.md"

HOW = (
    "The server has one core, whatever feeds and watches it the other. CPU is the scheduler's account of the server's "
    "own process. What is compared is measured in turns in one run, and medians are shown."
)

CANNOT_TELL = (
    "Everything ran on one machine over loopback, so there is no network, no TLS and no browser in these figures, and "
    "a core that is shared with other work moves them by some percent: the ratios are the point, the seconds are not."
)


def head(load: str) -> str:
    """Say on what, with what and beside what it was measured."""
    return f"{machine.describe()}. {load} {machine.versions()}."


def summary(findings: Mapping[str, Finding]) -> str:
    """Return the table of what must be reached."""
    rows = [
        (name, figure.measure, figure.got, figure.reach, figure.verdict)
        for name, finding in findings.items()
        for figure in finding.figures
    ]
    return markdown(("row", "measure", "measured", "reach", "reached"), rows)


def section(finding: Finding) -> str:
    """Return one row's finding."""
    figures = [(figure.measure, figure.got, figure.reach, figure.verdict) for figure in finding.figures]
    parts = [markdown(("measure", "measured", "reach", "reached"), figures)]
    parts += [f"{table.title}:\n\n{markdown(table.head, table.rows)}" for table in finding.tables]
    return "\n\n".join([*parts, finding.note]).rstrip()


def written(findings: Mapping[str, Finding], load: str) -> str:
    """Return RESULTS.md; `load` says how busy the machine was beforehand."""
    parts = [
        "# What was measured",
        f"{datetime.now(UTC):%d %B %Y}, by `make bench`. {head(load)}",
        HOW,
        summary(findings),
        "## What is not better",
        not_better(findings),
    ]
    for name, finding in findings.items():
        if finding.tables or finding.note:
            tables = [f"{table.title}:\n\n{markdown(table.head, table.rows)}" for table in finding.tables]
            parts += [f"## {name}", *tables, *filter(None, [finding.note])]
    return "\n\n".join(parts) + "\n"


def not_better(findings: Mapping[str, Finding]) -> str:
    """Return the paragraph that the table is read with."""
    missed = [
        f"Not reached: {figure.measure}, {figure.got} where {figure.reach} was promised."
        for finding in findings.values()
        for figure in finding.figures
        if figure.reached is False
    ]
    worse = [sentence for finding in findings.values() for sentence in finding.worse]
    return " ".join([*(missed or ["Everything that was promised is reached."]), *worse, CANNOT_TELL])
