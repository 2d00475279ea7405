"""Runs Lighthouse (https://developer.chrome.com/docs/lighthouse) with its mobile settings: a slow phone and network."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

import orjson

from bench.browser import executable

COMMAND = Path(__file__).parent / "node_modules" / ".bin" / "lighthouse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What Lighthouse says of a page's performance."""

    score: int
    """Of 100."""
    first_paint_s: float
    largest_paint_s: float
    blocking_ms: float
    layout_shift: float


async def performance_of(url: str) -> Report:
    """Measure a page."""
    flags = "--headless=new" + (" --no-sandbox" if os.geteuid() == 0 else "")
    chromium = executable()
    process = await asyncio.create_subprocess_exec(
        COMMAND, url, "--quiet", "--output=json", "--only-categories=performance", f"--chrome-flags={flags}",
        stdout=-1,
        stderr=-1,
        env=dict(os.environ) | ({"CHROME_PATH": chromium} if chromium else {}),
    )  # fmt: skip
    output, errors = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"lighthouse failed with exit code {process.returncode}: {errors.decode()[-2000:]}")
    report = orjson.loads(output)
    values = {name: audit.get("numericValue") for name, audit in report["audits"].items()}
    return Report(
        score=round(report["categories"]["performance"]["score"] * 100),
        first_paint_s=values["first-contentful-paint"] / 1000,
        largest_paint_s=values["largest-contentful-paint"] / 1000,
        blocking_ms=values["total-blocking-time"],
        layout_shift=values["cumulative-layout-shift"],
    )
