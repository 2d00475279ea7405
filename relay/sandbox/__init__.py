"""
Simulated Wiro and Apikley servers on loopback with real sockets, and a switch for each known oddity.

The sandbox shares no code with the relay's providers, so that a misreading of the platforms' documentation cannot be in
both.
"""

from relay.sandbox.handle import Sandbox, serve
from relay.sandbox.shared import pictures
from relay.sandbox.switches.faults import Faults
from relay.sandbox.wiro.auth import API_KEY, API_SECRET, PLAIN_KEY, sign
from relay.sandbox.wiro.file_store import File
from relay.sandbox.wiro.outputs import outputs
from relay.sandbox.wiro.record import STAGE_TIMES
from relay.sandbox.wiro.requests import RunRequest
from relay.sandbox.wiro.tasks import Task

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
