"""The findings as text: for the terminal, and for RESULTS.md."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from bench import machine
from bench.finding import Finding, markdown

PATH = Path(__file__).parent / "RESULTS.md"

HOW = (
    "The server has one core; the platform and the viewers have the other. With PostgreSQL, all of them share both. "
    "CPU time is the scheduler's account of the server's process. Contestants take turns in one run, and the table "
    "shows medians."
)

CANNOT_TELL = (
    "Everything ran on one machine over loopback, so the figures include no network, no TLS and no browser. A core "
    "that is shared with other work changes them by a few percent: compare ratios, not seconds."
)


def head(load: str) -> str:
    """Return the machine, its load and the versions of the contestants."""
    return f"{machine.describe()}. {load} {machine.versions()}."


def summary(findings: Mapping[str, Finding]) -> str:
    """Return the table of all figures with their targets."""
    rows = [
        (name, figure.measure, figure.got, figure.reach, figure.verdict)
        for name, finding in findings.items()
        for figure in finding.figures
    ]
    return markdown(("row", "measure", "measured", "target", "reached"), rows)


def section(finding: Finding) -> str:
    """Return the figures, tables and note of one row."""
    figures = [(figure.measure, figure.got, figure.reach, figure.verdict) for figure in finding.figures]
    parts = [markdown(("measure", "measured", "target", "reached"), figures)]
    parts += [f"{table.title}:\n\n{markdown(table.head, table.rows)}" for table in finding.tables]
    return "\n\n".join([*parts, finding.note]).rstrip()


def written(findings: Mapping[str, Finding], load: str) -> str:
    """Return RESULTS.md; `load` says how busy the machine was beforehand."""
    parts = [
        "# Benchmarks",
        f"{datetime.now(UTC):%d %B %Y}, by `make bench`. {head(load)}",
        HOW,
        summary(findings),
        "## Where relay is not better",
        not_better(findings),
    ]
    for name, finding in findings.items():
        if finding.tables or finding.note:
            tables = [f"{table.title}:\n\n{markdown(table.head, table.rows)}" for table in finding.tables]
            parts += [f"## {name}", *tables, *filter(None, [finding.note])]
    return "\n\n".join(parts) + "\n"


def not_better(findings: Mapping[str, Finding]) -> str:
    """Return the paragraph about missed targets and better peers."""
    missed = [
        f"Not reached: {figure.measure}, {figure.got} instead of {figure.reach}."
        for finding in findings.values()
        for figure in finding.figures
        if figure.reached is False
    ]
    worse = [sentence for finding in findings.values() for sentence in finding.worse]
    return " ".join([*(missed or ["All targets are reached."]), *worse, CANNOT_TELL])
