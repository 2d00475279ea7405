"""What a simulated task of either platform does for tests: it waits at a gate, and reports its changes."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self


@dataclass(slots=True, kw_only=True, eq=False)
class Gated:
    """A task that can be held at a stage, and whose changes can be awaited."""

    holding_at: str | None = None
    """The stage or state at which it waits for its `gate`."""
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def hold(self, stage: str) -> None:
        """Wait at a stage until the gate is opened, which may have been done before."""
        self.holding_at = stage
        self.notify()
        await self.gate.wait()
        self.gate.clear()
        self.holding_at = None

    def notify(self) -> None:
        """Wake up everything that waits for a change."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def until(self, condition: Callable[[Self], object]) -> None:
        """Wait until a condition is true. It is checked after each change and each call that concerns the task."""
        while not condition(self):
            await self._changed.wait()
