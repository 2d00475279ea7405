"""
The outputs of the sandbox's models: abstract pictures drawn from a seed, and one short video.

A picture is a PNG with a palette: bands of colour with a few brighter discs. It is not compressed, so that its size in
bytes is known in advance, and it is drawn only on request.
"""

import zlib
from functools import lru_cache
from math import cos, pi, sin
from pathlib import Path
from random import Random
from struct import pack

_LONG_SIDE_PX = 512
_PALETTES = (
    ((27, 31, 94), (217, 84, 139), (242, 184, 75), (43, 179, 163)),
    ((11, 57, 84), (8, 126, 139), (191, 215, 234), (255, 90, 95)),
    ((45, 0, 85), (114, 9, 183), (247, 37, 133), (76, 201, 240)),
    ((38, 70, 83), (42, 157, 143), (233, 196, 106), (231, 111, 81)),
    ((20, 33, 61), (252, 163, 17), (229, 229, 229), (124, 144, 130)),
)
# Four seconds of moving colours, 640 x 360, VP9, made with ffmpeg's geq filter.
CLIP_PATH = Path(__file__).parents[1] / "media" / "clip.webm"
CLIP_BYTES = CLIP_PATH.stat().st_size


def scaled(width: int, height: int) -> tuple[int, int]:
    """Return a size with the same ratio whose longer side is 512 pixels."""
    longest = max(width, height)
    return max(1, width * _LONG_SIDE_PX // longest), max(1, height * _LONG_SIDE_PX // longest)


@lru_cache(maxsize=64)
def png_bytes(width: int, height: int) -> int:
    """Return the size in bytes of a picture of this size in pixels."""
    return len(_png(width, height, bytes(768), bytes((width + 1) * height)))


@lru_cache(maxsize=64)
def draw(seed: str, width: int, height: int) -> bytes:
    """Return the picture of a seed as a PNG of this size in pixels."""
    random = Random(seed)  # noqa: S311  repeatable, not secret
    waves = [(random.uniform(0.4, 2.2), random.uniform(0, 2 * pi), random.uniform(30, 80)) for _ in range(4)]
    across = [_sum(waves[:2], x / width) for x in range(width)]
    down = [_sum(waves[2:], y / height) for y in range(height)]
    slant = random.choice((-1, 1)) * random.uniform(0.15, 0.5)
    discs = [
        (random.uniform(0, width), random.uniform(0, height), random.uniform(0.08, 0.3) * min(width, height))
        for _ in range(random.randint(3, 6))
    ]
    brighter = bytes((value + 90) & 255 for value in range(256))
    rows = bytearray()
    for y in range(height):
        shift = down[y] + slant * y
        row = bytearray(int(value + shift) & 255 for value in across)
        for x0, y0, radius in discs:
            half = radius**2 - (y - y0) ** 2
            if half > 0:
                left, right = max(0, int(x0 - half**0.5)), max(0, int(x0 + half**0.5))
                row[left:right] = row[left:right].translate(brighter)
        rows += b"\0" + row
    return _png(width, height, _palette(random), bytes(rows))


def _sum(waves: list[tuple[float, float, float]], at: float) -> float:
    return sum(size * sin(2 * pi * turns * at + phase) for turns, phase, size in waves)


def _palette(random: Random) -> bytes:
    """Return 256 colours that run through a palette and back to its first colour."""
    stops = list(random.choice(_PALETTES))
    random.shuffle(stops)
    colours = bytearray()
    for index in range(256):
        position, part = divmod(index * len(stops) / 256, 1)
        near, far = stops[int(position)], stops[(int(position) + 1) % len(stops)]
        ease = (1 - cos(pi * part)) / 2
        colours += bytes(round(a + (b - a) * ease) for a, b in zip(near, far, strict=True))
    return bytes(colours)


def _png(width: int, height: int, palette: bytes, rows: bytes) -> bytes:
    header = pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)  # 8 bits, palette
    chunks = ((b"IHDR", header), (b"PLTE", palette), (b"IDAT", zlib.compress(rows, 0)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        pack(">I", len(data)) + name + data + pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
