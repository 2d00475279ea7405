"""
The smallest backend there is: it gives out a page, starts a task for whoever presses its button, and hands the page a
token that shows this one task and nothing else. The keys stay here. It needs nothing but Python.

    RELAY_URL=http://127.0.0.1:8080 RELAY_KEY=… python backend.py 8000
"""

# ruff: noqa: INP001, S310 -- an example stands alone, and the address is its own

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import Request, urlopen

RELAY_URL = os.environ.get("RELAY_URL", "http://127.0.0.1:8080")
RELAY_KEY = os.environ["RELAY_KEY"]
PAGE = Path(__file__).with_name("page.html").read_bytes()
WISH = {"model": "bytedance/text-to-image-seedream-v4", "input": {"prompt": "A mountain lake at dawn."}}


class Backend(BaseHTTPRequestHandler):
    """Two addresses: the page, and the start."""

    def do_GET(self) -> None:
        """Give out the page."""
        self.answer("text/html; charset=utf-8", PAGE)

    def do_POST(self) -> None:
        """Start a task. Here you would look who asks, and what they may."""
        headers = {"Authorization": f"Bearer {RELAY_KEY}", "Content-Type": "application/json"}
        with urlopen(Request(f"{RELAY_URL}/v1/tasks", json.dumps(WISH).encode(), headers)) as response:
            started = json.load(response)
        found = {"relay": RELAY_URL, "task": started["task"]["id"], "token": started["token"]}
        self.answer("application/json", json.dumps(found).encode())

    def answer(self, content_type: str, body: bytes) -> None:
        """Write an answer that nobody keeps."""
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Backend).serve_forever()
