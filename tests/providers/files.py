"""Files as the spool hands them to a provider."""

from hashlib import sha256
from pathlib import Path

from relay.core.upstream import File


def picture_at(path: Path, content: bytes) -> File:
    """Write a picture that was uploaded for the input `inputImage`."""
    path.write_bytes(content)
    return File(
        input="inputImage",
        filename="cat.png",
        content_type="image/png",
        size_bytes=len(content),
        sha256=sha256(content).hexdigest(),
        path=path,
    )
