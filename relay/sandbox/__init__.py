"""
The simulated upstreams: a Wiro and an Apikley on loopback with real sockets, and a switch for each known oddity.

It shares nothing with our provider, on purpose: both would make the same mistake.
"""

from relay.sandbox.auth import API_KEY, API_SECRET, PLAIN_KEY
from relay.sandbox.faults import Faults
from relay.sandbox.server import Sandbox, serve

__all__ = ["API_KEY", "API_SECRET", "PLAIN_KEY", "Faults", "Sandbox", "serve"]
