"""
Makes one thumbnail, as a process of its own: `python -m relay.archive.thumbnailer SOURCE TARGET WIDTH`.

A picture comes from a model, so its decoder may be attacked. The process has limits on memory, time and pixels, and
decodes only common formats.
"""

import resource
import sys
import warnings
from typing import Final

from PIL import Image, ImageOps

FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF", "AVIF", "BMP", "TIFF")

PIXELS: Final = 100_000_000
"""How large a picture may be. It takes 4 bytes per pixel."""

MEMORY_BYTES: Final = 2 * 2**30

CPU_S: Final = 30

TALLEST: Final = 4
"""How many times as high as wide a thumbnail may be."""


def make(source: str, target: str, width: int) -> None:
    """
    Write a picture as WebP, at most `width` pixels wide. It is never enlarged.

    Raises:
        OSError: it is not a picture, or its format is not supported.
        Image.DecompressionBombError: it has too many pixels.
    """
    Image.MAX_IMAGE_PIXELS = PIXELS
    warnings.simplefilter("error", Image.DecompressionBombWarning)  # otherwise twice as many are accepted
    with Image.open(source, formats=FORMATS) as picture:
        picture.draft("RGB", (width, width * TALLEST))  # a JPEG is decoded at a fraction of its size
        turned = ImageOps.exif_transpose(picture)
        turned.thumbnail((width, width * TALLEST))
        turned.convert("RGBA" if turned.has_transparency_data else "RGB").save(target, "WEBP", quality=80)


def main() -> None:
    """Make the thumbnail that the arguments name. The exit status is 1 if it cannot be made."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    source, target, width = sys.argv[1:]
    try:
        make(source, target, int(width))
    except (OSError, ValueError, MemoryError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
