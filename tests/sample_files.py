"""Small files of known types, and a form to upload them."""

import struct
import zlib
from collections.abc import Mapping
from io import BytesIO

import aiohttp
import orjson


def png(shade: int = 0) -> bytes:
    """Return a PNG of one grey pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    body = zlib.compress(bytes([0, shade]))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(300) + b"\xff\xd9"
PDF = b"%PDF-1.7\n" + bytes(300)


def form(task: Mapping[str, object], *files: tuple[str, str, bytes]) -> aiohttp.FormData:
    """Return the form of a start request with files, each given as input name, filename and content."""
    written = aiohttp.FormData()
    written.add_field("task", orjson.dumps(task).decode(), content_type="application/json")
    for name, filename, data in files:
        written.add_field(name, BytesIO(data), filename=filename, content_type="application/octet-stream")
    return written
