"""`make demo` and `make test` on a machine as it comes: which Python they take, and what a failed try leaves."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = ("sh", "make", "dirname", "id", "rm", "touch", "env", "cat", "ln", "mkdir", "sleep")
"""What a bare machine has beside the programs of the test."""

WORKING = f'exec {sys.executable} "$@"'
NOT_THERE = "exit 127"
TOO_OLD = 'case "$*" in *version_info*) exit 1;; esac; exit 0'
WITHOUT_ENSUREPIP = f'case "$*" in *ensurepip*) exit 1;; esac; {WORKING}'
STOPS_HALFWAY = f"""case "$*" in
  "-m venv "*) {sys.executable} -m venv --without-pip .venv; exit 1;;
esac
{WORKING}"""


@dataclass(frozen=True, slots=True)
class Machine:
    """A checkout, and a PATH with nothing on it but what was put there."""

    checkout: Path
    path: Path

    def has(self, **programs: str) -> None:
        """Put scripts on the PATH; `python3_12` is python3.12."""
        for name, script in programs.items():
            program = self.path / name.replace("_", ".")
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(0o755)

    def run(self, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
        environ: Mapping[str, str] = {"PATH": str(self.path), **settings}
        return subprocess.run(command, cwd=self.checkout, env=environ, capture_output=True, text=True, check=False)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path / "checkout", tmp_path / "bin")
    shutil.copytree(ROOT / ".ci", made.checkout / ".ci")
    shutil.copytree(ROOT / "requirements", made.checkout / "requirements")
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, made.checkout)
    made.path.mkdir()
    for name in TOOLS:
        found = shutil.which(name)
        assert found is not None, name
        (made.path / name).symlink_to(found)
    return made


@pytest.mark.parametrize(
    ("there", "taken"),
    [
        ({"python3_11": WORKING, "python3_12": WORKING, "python3": WORKING}, "python3.11"),
        ({"python3_12": WORKING, "python3": WORKING}, "python3.12"),
        ({"python3": WORKING}, "python3"),
        ({"python3_11": NOT_THERE, "python3_13": WORKING}, "python3.13"),
        ({"python3_11": WITHOUT_ENSUREPIP, "python3_14": WORKING}, "python3.14"),
        ({"python3_13": WITHOUT_ENSUREPIP, "python3": WITHOUT_ENSUREPIP}, "python3.13"),
        ({"python3": TOO_OLD}, ""),
        ({}, ""),
    ],
)
def test_the_first_python_that_is_new_enough_is_taken(there: dict[str, str], taken: str, machine: Machine) -> None:
    """One that runs, and rather one that can make environments."""
    machine.has(**there)

    found = machine.run("sh", ".ci/python")

    assert (found.stdout.strip(), found.returncode == 0) == (taken, bool(taken))


def test_a_python_that_pyenv_keeps_is_found_behind_its_name(machine: Machine) -> None:
    """The name on the PATH says only that there is another one to choose; `newest` chooses from the other end."""
    machine.has(python3_11=WORKING, python3_12=NOT_THERE, python3_13=NOT_THERE)
    kept = machine.checkout / "pyenv/versions/3.13.0/bin"
    kept.mkdir(parents=True)
    (kept / "python3.13").symlink_to(sys.executable)

    newest = machine.run("sh", ".ci/python", "newest", PYENV_ROOT=str(machine.checkout / "pyenv"))

    assert newest.stdout.strip() == str(kept / "python3.13")
    assert machine.run("sh", ".ci/python").stdout.strip() == "python3.11"


def test_all_that_is_missing_is_told_at_once_before_anything_is_made(machine: Machine) -> None:
    """Not one thing after the other, each after a minute."""
    machine.has(python3=WITHOUT_ENSUREPIP)

    tried = machine.run("make", "-s", "test")

    assert tried.returncode != 0
    lines = [line.strip("- ") for line in tried.stderr.splitlines() if line.startswith("  - ")]
    assert lines[:3] == ["the module venv of python3, with ensurepip", "node", "npm"]
    assert not (machine.checkout / ".venv").exists()


def test_a_machine_with_apt_is_told_what_to_install(machine: Machine) -> None:
    """In one command; the demo installs nothing by itself, and needs no node."""
    machine.has(python3=WITHOUT_ENSUREPIP, apt__get="exit 1")
    (machine.path / "apt..get").rename(machine.path / "apt-get")

    tried = machine.run("make", "-s", "demo")

    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    assert f"Install it with: sudo apt-get install --no-install-recommends {version}-venv\n" in tried.stderr
    assert "node" not in tried.stderr


@pytest.mark.parametrize("python", [TOO_OLD, NOT_THERE])
def test_a_python_that_was_named_and_does_not_do_is_told(python: str, machine: Machine) -> None:
    """`make demo PYTHON=…`: the name stands in the message."""
    machine.has(mine=python, python3=WORKING)

    tried = machine.run("make", "-s", "demo", "PYTHON=mine")

    assert "mine is older, or does not run" in tried.stderr
    assert tried.returncode != 0


def test_a_failed_try_does_not_poison_the_next(machine: Machine) -> None:
    """An environment without pip is no environment, whoever left it, this try or an earlier version's."""
    machine.has(python3=STOPS_HALFWAY)
    environment = machine.checkout / ".venv"

    first = machine.run("make", "-s", ".venv/made")
    assert first.returncode != 0
    assert not environment.exists()

    machine.has(python3=WORKING)
    machine.run("python3", "-m", "venv", "--without-pip", ".venv")  # what a failed try of before has left
    second = machine.run("make", "-s", ".venv/made")
    assert second.returncode == 0, second.stderr
    assert "made anew" in second.stderr
    assert machine.run(".venv/bin/python", "-m", "pip", "--version").returncode == 0

    assert machine.run("make", ".venv/made").stdout.find("venv") == -1  # it is there: nothing is done again


def test_an_environment_whose_python_has_gone_is_made_anew(machine: Machine) -> None:
    """An upgrade of the system takes it away, or puts another version under its name."""
    machine.has(python3=WORKING)
    assert machine.run("make", "-s", ".venv/made").returncode == 0
    for name in (machine.checkout / ".venv/bin").glob("python*"):
        name.unlink()
    (machine.checkout / ".venv/bin/python").symlink_to("/no/such/python")

    again = machine.run("make", "-s", ".venv/made")

    assert again.returncode == 0, again.stderr
    assert machine.run(".venv/bin/python", "-m", "pip", "--version").returncode == 0
