"""The workflows in .github: they call make targets that exist, on the Pythons that the package names."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
WORKFLOWS = ROOT / ".github/workflows"


def test_workflows_call_make_targets_that_exist() -> None:
    """A contributor can run everything that CI runs."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for workflow in WORKFLOWS.glob("*.yml"):
        called = set(re.findall(r"run: make ([a-z-]+)", workflow.read_text(encoding="utf-8")))
        assert called, workflow.name
        assert called <= targets, workflow.name


def test_ci_tests_every_python_that_the_package_names() -> None:
    """The matrix and the classifiers of pyproject.toml have the same versions."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [name.rpartition(" ")[2] for name in project["classifiers"] if ":: Python ::" in name]
    matrix = re.search(r"python: \[(.*)\]", (WORKFLOWS / "ci.yml").read_text(encoding="utf-8"))
    assert matrix is not None
    assert re.findall(r"[\d.]+", matrix[1]) == named
