"""The set-up that `make` does on a bare machine: which Python it picks, what it reports, how it recovers."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = ("sh", "make", "dirname", "id", "rm", "touch", "env", "cat", "ln", "mkdir", "sleep")
"""The programs of a bare machine, in addition to those that a test adds."""

WORKING = f'exec {sys.executable} "$@"'
NOT_THERE = "exit 127"
TOO_OLD = 'case "$*" in *version_info*) exit 1;; esac; exit 0'
WITHOUT_ENSUREPIP = f'case "$*" in *ensurepip*) exit 1;; esac; {WORKING}'
WITHOUT_PIP = f'case "$*" in "-m venv "*) set -- "$@" --without-pip;; esac; {WORKING}'
"""Installing pip takes as long as all other tests of this module; most of them do not use it."""
STOPS_HALFWAY = f"""case "$*" in
  "-m venv "*) {sys.executable} -m venv --without-pip .venv; exit 1;;
esac
{WORKING}"""


@dataclass(frozen=True, slots=True)
class Machine:
    """A copy of the checkout, and a PATH that holds only `TOOLS` and the programs that the test adds."""

    checkout: Path
    path: Path

    def has(self, **programs: str) -> None:
        """Add shell scripts to PATH. In a name, `_` stands for a dot and `__` for a hyphen."""
        for name, script in programs.items():
            program = self.path / name.replace("__", "-").replace("_", ".")
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
def test_picks_the_oldest_supported_python(there: dict[str, str], taken: str, machine: Machine) -> None:
    """It must run, and one that can create environments is preferred."""
    machine.has(**there)

    found = machine.run("sh", ".ci/python")

    assert (found.stdout.strip(), found.returncode == 0) == (taken, bool(taken))


def test_finds_a_python_that_pyenv_has_but_did_not_select(machine: Machine) -> None:
    """pyenv puts a name on PATH for every version it knows; those that are not selected do not run."""
    machine.has(python3_12=NOT_THERE, python3_13=NOT_THERE)
    kept = machine.checkout / "pyenv/versions/3.13.0/bin"
    kept.mkdir(parents=True)
    (kept / "python3.13").symlink_to(sys.executable)

    found = machine.run("sh", ".ci/python", PYENV_ROOT=str(machine.checkout / "pyenv"))

    assert found.stdout.strip() == str(kept / "python3.13")


def test_reports_everything_missing_before_it_installs_anything(machine: Machine) -> None:
    """One message lists the Python modules and the programs, and no environment is created."""
    machine.has(python3=WITHOUT_ENSUREPIP)

    tried = machine.run("make", "-s", "test")

    assert tried.returncode != 0
    lines = [line.strip("- ") for line in tried.stderr.splitlines() if line.startswith("  - ")]
    assert lines[:3] == ["the modules venv and ensurepip of python3", "node", "npm"]
    assert not (machine.checkout / ".venv").exists()


def test_installs_what_is_missing_on_debian(machine: Machine) -> None:
    """One call of apt-get for everything, as root or with passwordless sudo."""
    machine.has(
        python3=f'case "$*" in *ensurepip*) [ -e installed ] || exit 1;; esac; {WITHOUT_PIP}',
        sudo='shift; exec "$@"',
        apt__get='case "$*" in *"install"*" python3."*"-venv") touch installed;; esac',
    )

    made = machine.run("make", "-s", ".venv/made")

    assert made.returncode == 0, made.stderr
    assert "Installing with apt-get: python3." in made.stderr


def test_names_the_debian_packages_to_install(machine: Machine) -> None:
    """If apt-get fails, the message has the command. The demo does not need node."""
    machine.has(python3=WITHOUT_ENSUREPIP, apt__get="exit 1")

    tried = machine.run("make", "-s", "demo")

    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    assert f"Install with: sudo apt-get install --no-install-recommends {version}-venv\n" in tried.stderr
    assert "node" not in tried.stderr


@pytest.mark.parametrize("python", [TOO_OLD, NOT_THERE])
def test_rejects_an_unusable_python_that_was_requested(python: str, machine: Machine) -> None:
    """The error message of `make demo PYTHON=mine` names it."""
    machine.has(mine=python, python3=WORKING)

    tried = machine.run("make", "-s", "demo", "PYTHON=mine")

    assert "mine is older or does not run" in tried.stderr
    assert tried.returncode != 0


def test_recovers_from_an_interrupted_set_up(machine: Machine) -> None:
    """A failed run leaves no environment behind, and an environment without pip is created again."""
    machine.has(python3=STOPS_HALFWAY)
    environment = machine.checkout / ".venv"

    first = machine.run("make", "-s", ".venv/made")
    assert first.returncode != 0
    assert not environment.exists()

    machine.has(python3=WORKING)
    machine.run("python3", "-m", "venv", "--without-pip", ".venv")  # left by an earlier version
    second = machine.run("make", "-s", ".venv/made")
    assert second.returncode == 0, second.stderr
    assert "Creating it again" in second.stderr
    assert machine.run(".venv/bin/python", "-m", "pip", "--version").returncode == 0

    assert machine.run("make", ".venv/made").stdout.find("venv") == -1  # nothing is left to do


def test_recreates_an_environment_whose_python_is_gone(machine: Machine) -> None:
    """A system upgrade removes the interpreter that the environment links to."""
    machine.has(python3=WITHOUT_PIP)
    assert machine.run("make", "-s", ".venv/made").returncode == 0
    for name in (machine.checkout / ".venv/bin").glob("python*"):
        name.unlink()
    (machine.checkout / ".venv/bin/python").symlink_to("/no/such/python")

    machine.has(python3=WORKING)
    again = machine.run("make", "-s", ".venv/made")

    assert again.returncode == 0, again.stderr
    assert machine.run(".venv/bin/python", "-m", "pip", "--version").returncode == 0
