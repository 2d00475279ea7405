"""The systemd units are valid, and leave the relay little that it does not need."""

import asyncio
import re
import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.deploy

UNITS = Path(__file__).parents[2] / "deploy/systemd"
HIGHEST_EXPOSURE = 2.0
"""Of the score by `systemd-analyze security`, which ranges from 0 (nothing is left) to 10."""


async def analyzed(*arguments: str) -> tuple[int | None, str]:
    """Run `systemd-analyze`; return its exit code and its output."""
    program = shutil.which("systemd-analyze")
    assert program is not None, "run .ci/needs test-deploy"
    process = await asyncio.create_subprocess_exec(
        program, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    return process.returncode, out.decode()


async def test_the_units_are_valid(tmp_path: Path) -> None:
    """With a program that exists on this machine."""
    for unit in UNITS.glob("relay.*"):
        text = unit.read_text(encoding="utf-8")
        (tmp_path / unit.name).write_text(text.replace("/opt/relay/bin/relay", "/bin/true"), encoding="utf-8")

    units = [str(tmp_path / name) for name in ("relay.service", "relay.socket")]
    assert await analyzed("verify", "--man=no", *units) == (0, "")


async def test_the_service_is_confined() -> None:
    """systemd's own score says how much a relay that was taken over could do."""
    code, out = await analyzed("security", "--offline=yes", "--no-pager", str(UNITS / "relay.service"))

    found = re.search(r"exposure level for relay\.service: ([\d.]+)", out)
    assert code == 0, out
    assert found, out
    assert float(found[1]) <= HIGHEST_EXPOSURE
