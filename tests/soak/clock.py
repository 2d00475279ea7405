"""
A time of day that the relay alone sees, and that can be moved while it runs.

`clock.c` is loaded into the relay's process and moves what every library in it reads as the time of day: Python, SQLite
and PyJWT alike. The monotonic clock stays true, as it does when an operator or NTP sets the clock. A time namespace of
Linux cannot do this: it moves the monotonic clocks only.
"""

import asyncio
import mmap
import shutil
import struct
from pathlib import Path

SOURCE = Path(__file__).with_name("clock.c")
OFFSET = struct.Struct("=q")


class Clock:
    """The clock of one relay. Its offset is in seconds from the true time."""

    def __init__(self, folder: Path) -> None:
        self._library = folder / "clock.so"
        self._file = folder / "clock"
        self._file.write_bytes(OFFSET.pack(0))
        with self._file.open("r+b") as file:
            self._mapped = mmap.mmap(file.fileno(), OFFSET.size)

    async def build(self) -> bool:
        """Compile the library, and say whether there is a compiler to do it with."""
        if (compiler := shutil.which("cc")) is None:
            return False
        building = await asyncio.create_subprocess_exec(
            compiler, "-O2", "-shared", "-fPIC", "-Wall", "-o", self._library, SOURCE
        )
        return await building.wait() == 0

    @property
    def environment(self) -> dict[str, str]:
        """The variables under which a process sees this clock."""
        return {"LD_PRELOAD": str(self._library), "SOAK_CLOCK": str(self._file)}

    def set(self, offset_s: int) -> None:
        """Move it, at once."""
        OFFSET.pack_into(self._mapped, 0, offset_s)
