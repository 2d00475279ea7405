"""The made-up outputs: real PNGs without a library, and a real WebM."""

import zlib
from struct import unpack

import pytest

from relay.sandbox.shared import pictures


def chunks(png: bytes) -> dict[bytes, bytes]:
    """Take a PNG apart, checking what a decoder would."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    found, at = {}, 8
    while at < len(png):
        (length,) = unpack(">I", png[at : at + 4])
        name, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert unpack(">I", png[at + 8 + length : at + 12 + length]) == (zlib.crc32(name + data),)
        found[name], at = data, at + 12 + length
    return found


@pytest.mark.parametrize("size", [(512, 512), (512, 288), (219, 512)])
def test_a_picture_is_a_whole_png_of_the_size_asked(size: tuple[int, int]) -> None:
    """Header, palette and rows are all there, and its size was known before it was drawn."""
    png = pictures.draw("1", *size)
    parts = chunks(png)

    assert unpack(">II", parts[b"IHDR"][:8]) == size
    assert len(parts[b"PLTE"]) == 768
    assert len(zlib.decompress(parts[b"IDAT"])) == (size[0] + 1) * size[1]
    assert len(png) == pictures.png_bytes(*size)
    assert list(parts)[-1] == b"IEND"


def test_a_picture_is_the_same_for_its_seed_and_another_for_the_next() -> None:
    """What was seen once is seen again."""
    assert pictures.draw.__wrapped__("1", 64, 64) == pictures.draw.__wrapped__("1", 64, 64)
    assert pictures.draw("1", 64, 64) != pictures.draw("2", 64, 64)


def test_the_shape_asked_is_kept_and_the_size_is_moderate() -> None:
    """The long side is 512 pixels."""
    assert pictures.scaled(2560, 1440) == (512, 288)
    assert pictures.scaled(1296, 3024) == (219, 512)


def test_the_clip_is_a_small_webm() -> None:
    """It bears the mark of Matroska and the name of WebM, and is below 200 KB."""
    clip = pictures.CLIP_PATH.read_bytes()

    assert clip.startswith(b"\x1aE\xdf\xa3")
    assert b"webm" in clip[:64]
    assert len(clip) == pictures.CLIP_BYTES < 200_000
