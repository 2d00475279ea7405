"""
A minimal backend: it serves a page, starts a task when the button on the page is pressed, and returns a token that
opens this task and nothing else. The API key stays here.

    pip install 'generation-relay[client]'
    RELAY_URL=http://127.0.0.1:8080 RELAY_KEY=… python backend.py 8000
"""

# ruff: noqa: INP001 -- an example is not part of a package

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from relay.client import Relay

RELAY_URL = os.environ.get("RELAY_URL", "http://127.0.0.1:8080")
RELAY = Relay(RELAY_URL, os.environ["RELAY_KEY"])
PAGE = Path(__file__).with_name("page.html").read_bytes()


class Backend(BaseHTTPRequestHandler):
    """GET returns the page, POST starts a task."""

    def do_GET(self) -> None:
        """Return the page."""
        self.answer("text/html; charset=utf-8", PAGE)

    def do_POST(self) -> None:
        """Start a task. A real backend checks here who may start one."""
        started = RELAY.start("bytedance/text-to-image-seedream-v4", {"prompt": "A mountain lake at dawn."})
        found = {"relay": RELAY_URL, "task": started.task.id, "token": started.token}
        self.answer("application/json", json.dumps(found).encode())

    def answer(self, content_type: str, body: bytes) -> None:
        """Write a response that is not cached."""
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Backend).serve_forever()
