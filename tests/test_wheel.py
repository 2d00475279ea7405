"""The wheel, as somebody gets it who has no checkout."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

STARTS_AND_FINDS_ITS_FILES = """
import sys
from pathlib import Path
import relay
from relay.cli.main import cli
from relay.web.static_files import STATIC
from relay.journal.sqlite.database import open_database
from relay.catalogue.catalogue import load
installed = Path(sys.argv[1])
assert Path(relay.__file__).is_relative_to(installed), relay.__file__
assert STATIC == installed / "relay" / "static", STATIC
found = {path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*") if path.is_file()}
assert found == set(sys.argv[2:]), found ^ set(sys.argv[2:])
assert [*load()], "no model file"
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel with what is installed here: no isolation, no network."""
    folder = tmp_path_factory.mktemp("wheel")
    pip(ROOT, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder), str(ROOT))
    (built,) = folder.glob("generation_relay-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's contents and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    pip(folder, "install", "--no-deps", "--no-index", "--target", str(folder), str(wheel))
    return folder


def pip(folder: Path, *arguments: str) -> None:
    command = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments)
    subprocess.run(command, cwd=folder, check=True)


def python(installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """
    Run Python with the installed folder before everything else, in a folder of its own.

    The checkout is an editable install of the same interpreter: what is found first shows that it is not used.
    """
    return subprocess.run(
        (sys.executable, *arguments),
        cwd=installed,
        env={"PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_installed_wheel_runs(installed: Path) -> None:
    """`python -m relay` works and knows its version."""
    ended = python(installed, "-m", "relay", "--version")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"relay {VERSION}\n"


def test_the_installed_wheel_has_its_static_files(installed: Path) -> None:
    """All that the relay serves is inside the installed package: pages and scripts, but not their sources."""
    static = ROOT / "static"
    served = [*static.glob("*.*"), *static.glob("dist/*"), *static.glob("pages/*.html")]
    names = [path.relative_to(static).as_posix() for path in served]

    ended = python(installed, "-c", STARTS_AND_FINDS_ITS_FILES, str(installed), *names)

    assert len(names) > 20
    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_wheel_has_what_is_no_module_and_nothing_else(wheel: Path) -> None:
    """The schema, the clip and the type marker are in it; tests and the checkout's own files are not."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())

    assert {"relay/journal/sqlite/schema.sql", "relay/sandbox/media/clip.webm", "relay/py.typed"} <= names
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"relay"}
