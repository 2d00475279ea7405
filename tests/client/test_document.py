"""The programs of docs/python.md run as they are printed."""

import asyncio
import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from relay.app import Running

DOCUMENT = Path(__file__).parents[2] / "docs" / "python.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
PROGRAMS = [block for block in BLOCKS if "http://127.0.0.1:8080" in block]
OUTPUTS = [r"^http://\S+$", r"^succeeded 100\.0$"]


@pytest.mark.parametrize(("program", "output"), [*zip(PROGRAMS, OUTPUTS, strict=True)])
async def test_a_program_prints_what_the_page_says(relay: Running, program: str, output: str) -> None:
    """Only the address and the key are replaced."""
    program = program.replace("http://127.0.0.1:8080", relay.url).replace("an-api-key-of-the-relay", relay.api_key)
    with redirect_stdout(StringIO()) as printed:
        await asyncio.to_thread(exec, program, {})
    assert re.search(output, printed.getvalue(), re.MULTILINE)  # the log of the relay is printed as well
