"""The generated pictures and the video: valid PNGs, and a valid WebM."""

import zlib
from struct import unpack

import pytest

from relay.sandbox.shared import pictures


def chunks(png: bytes) -> dict[bytes, bytes]:
    """Split a PNG into its chunks, and check what a decoder checks."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    found, at = {}, 8
    while at < len(png):
        (length,) = unpack(">I", png[at : at + 4])
        name, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert unpack(">I", png[at + 8 + length : at + 12 + length]) == (zlib.crc32(name + data),)
        found[name], at = data, at + 12 + length
    return found


@pytest.mark.parametrize("size", [(512, 512), (512, 288), (219, 512)])
def test_a_picture_is_a_valid_png(size: tuple[int, int]) -> None:
    """It has the requested size in pixels, and its size in bytes is known before it is drawn."""
    png = pictures.draw("1", *size)
    parts = chunks(png)

    assert unpack(">II", parts[b"IHDR"][:8]) == size
    assert len(parts[b"PLTE"]) == 768
    assert len(zlib.decompress(parts[b"IDAT"])) == (size[0] + 1) * size[1]
    assert len(png) == pictures.png_bytes(*size)
    assert list(parts)[-1] == b"IEND"


def test_the_seed_determines_the_picture() -> None:
    """The same seed draws the same picture."""
    assert pictures.draw.__wrapped__("1", 64, 64) == pictures.draw.__wrapped__("1", 64, 64)
    assert pictures.draw("1", 64, 64) != pictures.draw("2", 64, 64)


def test_pictures_are_scaled_down() -> None:
    """The ratio is kept, and the longer side is 512 pixels."""
    assert pictures.scaled(2560, 1440) == (512, 288)
    assert pictures.scaled(1296, 3024) == (219, 512)


def test_the_video_is_a_small_webm() -> None:
    """It has the signature of Matroska, the document type `webm`, and less than 200 KB."""
    clip = pictures.CLIP_PATH.read_bytes()

    assert clip.startswith(b"\x1aE\xdf\xa3")
    assert b"webm" in clip[:64]
    assert len(clip) == pictures.CLIP_BYTES < 200_000
