"""
A time of day for the relay alone that can be changed while it runs.

`clock.c` is loaded into the relay's process and changes the time of day for every library in it, such as Python and
SQLite. The monotonic clock is not changed, as when an operator or NTP sets the clock. Linux time namespaces cannot do
this: they change the monotonic clocks only.
"""

import asyncio
import mmap
import shutil
import struct
from pathlib import Path

SOURCE = Path(__file__).with_name("clock.c")
OFFSET = struct.Struct("=q")


class Clock:
    """The clock of one relay, as an offset in seconds from the real time."""

    def __init__(self, folder: Path) -> None:
        self._library = folder / "clock.so"
        self._file = folder / "clock"
        self._file.write_bytes(OFFSET.pack(0))
        with self._file.open("r+b") as file:
            self._mapped = mmap.mmap(file.fileno(), OFFSET.size)

    async def build(self) -> bool:
        """Compile the library; return False without a compiler."""
        if (compiler := shutil.which("cc")) is None:
            return False
        building = await asyncio.create_subprocess_exec(
            compiler, "-O2", "-shared", "-fPIC", "-Wall", "-o", self._library, SOURCE
        )
        return await building.wait() == 0

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that make a process use this clock."""
        return {"LD_PRELOAD": str(self._library), "SOAK_CLOCK": str(self._file)}

    def set(self, offset_s: int) -> None:
        """Set the offset, with immediate effect."""
        OFFSET.pack_into(self._mapped, 0, offset_s)
