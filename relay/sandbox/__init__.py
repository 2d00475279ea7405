"""
Simulated Wiro and Apikley servers on loopback with real sockets, and a switch for each known oddity.

The sandbox shares no code with the relay's providers, so that a misreading of the platforms' documents does not hide in
both.
"""

from relay.sandbox.server import Sandbox, serve
from relay.sandbox.shared import pictures
from relay.sandbox.switches.faults import Faults
from relay.sandbox.wiro.auth import API_KEY, API_SECRET, PLAIN_KEY, sign
from relay.sandbox.wiro.file_store import File
from relay.sandbox.wiro.record import STAGE_TIMES, outputs
from relay.sandbox.wiro.tasks import RunRequest, Task

__all__ = [
    "API_KEY",
    "API_SECRET",
    "PLAIN_KEY",
    "STAGE_TIMES",
    "Faults",
    "File",
    "RunRequest",
    "Sandbox",
    "Task",
    "outputs",
    "pictures",
    "serve",
    "sign",
]
