"""What the one model of the simulated Apikley takes, checked as its documents have it."""

from dataclasses import dataclass, field
from typing import Final

MODEL: Final = "bytedance/seedream-v4-text-to-image"

SIZES: Final = (
    "square",
    "square_hd",
    "portrait_4_3",
    "portrait_3_2",
    "portrait_16_9",
    "landscape_4_3",
    "landscape_3_2",
    "landscape_16_9",
    "landscape_21_9",
)
RESOLUTIONS: Final = ("1K", "2K", "4K")
PROMPT_CHARS: Final = 5000
MOST_IMAGES: Final = 6


class Refused(Exception):
    """The request fails validation; the text is the upstream's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A wish that can be fulfilled; `body` is all of it, as it came."""

    body: dict[str, object] = field(repr=False)
    prompt: str
    image_size: str
    max_images: int
    callback_url: str


def read(body: object) -> Input:
    """
    Read the body of a createTask.

    Raises:
        Refused: it does not fit.
    """
    if not isinstance(body, dict):
        raise Refused("The request body is not a JSON object")
    if body.get("model") != MODEL:
        raise Refused("The model name you specified is not supported")
    given = body.get("input")
    if not isinstance(given, dict):
        raise Refused("input is required")
    prompt, seed = given.get("prompt"), given.get("seed")
    if not isinstance(prompt, str) or not prompt:
        raise Refused("prompt is required")
    if len(prompt) > PROMPT_CHARS:
        raise Refused(f"prompt is longer than {PROMPT_CHARS} characters")
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
        raise Refused("seed must be an integer")
    _one_of("image_resolution", given.get("image_resolution", "1K"), RESOLUTIONS)
    return Input(
        body=body,
        prompt=prompt,
        image_size=_one_of("image_size", given.get("image_size", "square_hd"), SIZES),
        max_images=_images(given.get("max_images", 1)),
        callback_url=_text("callBackUrl", body.get("callBackUrl", "")),
    )


def _one_of(name: str, value: object, choices: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in choices:
        raise Refused(f"{name} is not within the range of allowed options")
    return value


def _images(value: object) -> int:
    whole = isinstance(value, int | float) and not isinstance(value, bool) and float(value).is_integer()
    if not whole or not isinstance(value, int | float) or not 1 <= value <= MOST_IMAGES:
        raise Refused(f"max_images must be a whole number from 1 to {MOST_IMAGES}")
    return int(value)


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise Refused(f"{name} must be a string")
    return value
