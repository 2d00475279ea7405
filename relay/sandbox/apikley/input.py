"""Validate the input of the simulated Apikley's only model, as its documentation specifies."""

from dataclasses import dataclass, field
from typing import Final

MODEL: Final = "bytedance/seedream-v4-text-to-image"

SIZES: Final = {
    "square": (1, 1),
    "square_hd": (1, 1),
    "portrait_4_3": (3, 4),
    "portrait_3_2": (2, 3),
    "portrait_16_9": (9, 16),
    "landscape_4_3": (4, 3),
    "landscape_3_2": (3, 2),
    "landscape_16_9": (16, 9),
    "landscape_21_9": (21, 9),
}
"""The values of `image_size`, with their ratios of width to height."""

RESOLUTIONS: Final = ("1K", "2K", "4K")
MAX_PROMPT_CHARS: Final = 5000
MAX_IMAGES: Final = 6


class InvalidInput(Exception):
    """The request is invalid. The text is Apikley's error message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A valid request. `body` is the whole body as it was received."""

    body: dict[str, object] = field(repr=False)
    prompt: str
    image_size: str
    max_images: int
    callback_url: str


def read(body: object) -> Input:
    """
    Parse the body of a createTask request.

    Raises:
        InvalidInput: the body does not match the documentation.
    """
    if not isinstance(body, dict):
        raise InvalidInput("The request body is not a JSON object")
    if body.get("model") != MODEL:
        raise InvalidInput("The model name you specified is not supported")
    given = body.get("input")
    if not isinstance(given, dict):
        raise InvalidInput("input is required")
    prompt, seed = given.get("prompt"), given.get("seed")
    if not isinstance(prompt, str) or not prompt:
        raise InvalidInput("prompt is required")
    if len(prompt) > MAX_PROMPT_CHARS:
        raise InvalidInput(f"prompt is longer than {MAX_PROMPT_CHARS} characters")
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
        raise InvalidInput("seed must be an integer")
    _one_of("image_resolution", given.get("image_resolution", "1K"), RESOLUTIONS)
    return Input(
        body=body,
        prompt=prompt,
        image_size=_one_of("image_size", given.get("image_size", "square_hd"), tuple(SIZES)),
        max_images=_image_count(given.get("max_images", 1)),
        callback_url=_string("callBackUrl", body.get("callBackUrl", "")),
    )


def _one_of(name: str, value: object, choices: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in choices:
        raise InvalidInput(f"{name} is not within the range of allowed options")
    return value


def _image_count(value: object) -> int:
    if not isinstance(value, int | float) or isinstance(value, bool) or value not in range(1, MAX_IMAGES + 1):
        raise InvalidInput(f"max_images must be a whole number from 1 to {MAX_IMAGES}")
    return int(value)


def _string(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{name} must be a string")
    return value
