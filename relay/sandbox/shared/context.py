"""The settings and signals that all parts of the sandbox share."""

import asyncio
from dataclasses import dataclass, field

from relay.sandbox.switches.faults import Faults
from relay.sandbox.switches.queue import SwitchQueue
from relay.sandbox.switches.values import Dialect


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One sandbox, as its parts see it."""

    faults: Faults
    """The default switches. A task or a call can override most of them."""
    dialect: Dialect
    """The generation of Wiro's documentation to follow."""
    speed: float
    """1.0 is the pace of the real platforms, 10.0 is ten times as fast."""
    seed: int
    """Seeds everything random, so that a run can be repeated."""
    next_run: SwitchQueue = field(default_factory=SwitchQueue)
    """Switches for the next calls that start a task."""
    next_file_call: SwitchQueue = field(default_factory=SwitchQueue)
    """Switches for the next calls to Wiro's file API."""
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the sandbox shuts down, so that hanging responses end."""
