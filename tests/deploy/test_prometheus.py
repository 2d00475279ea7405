"""Prometheus' own tool accepts the metrics and the alert rules, and the rules fire for the five faults."""

import asyncio
import shutil
from pathlib import Path

import pytest

from relay.app import Running

pytestmark = pytest.mark.deploy

ROOT = Path(__file__).parents[2]


async def promtool(*arguments: str, given: bytes = b"") -> tuple[int | None, str]:
    """Run `promtool`; return its exit code and its output."""
    program = shutil.which("promtool")
    assert program is not None, "run .ci/needs test-deploy"
    process = await asyncio.create_subprocess_exec(
        program,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate(given)
    return process.returncode, out.decode()


async def test_the_rules_are_valid() -> None:
    """Prometheus would not start with others."""
    code, out = await promtool("check", "rules", "--lint-fatal", str(ROOT / "deploy/prometheus/relay.rules.yml"))
    assert code == 0, out


async def test_each_fault_fires_its_alert() -> None:
    """And a relay that works fires none."""
    code, out = await promtool("test", "rules", str(Path(__file__).with_name("relay.rules.test.yml")))
    assert code == 0, out


async def test_the_metrics_are_named_as_prometheus_wants(relay: Running) -> None:
    """Each has a help, a unit and the suffix of its type."""
    text, _ = relay.context.metrics.expose()
    assert await promtool("check", "metrics", given=text) == (0, "")
