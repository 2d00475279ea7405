"""What the commands print: results to stdout, problems to stderr."""

import logging
import os
import sys
from typing import NoReturn

import typer

FAILED, INTERRUPTED = 1, 130
"""Exit codes. Typer itself exits with 2 for wrong usage."""


def say(text: str) -> None:
    """Print a result."""
    typer.echo(text)


def fail(text: str) -> NoReturn:
    """Print each line of a problem to stderr, and exit."""
    logging.shutdown()  # so that pending log lines come first
    for line in text.splitlines():
        print(f"relay: {line}", file=sys.stderr)  # noqa: T201 -- the terminal is its reader
    sys.exit(FAILED)


def discard_stdout_if_broken() -> bool:
    """
    Return whether stdout cannot be written.

    If so, redirect it to /dev/null, so that the interpreter does not fail again when it flushes the buffer at exit.
    """
    try:
        print(flush=True)  # noqa: T201 -- only called after an unexpected error, where an empty line does no harm
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False
