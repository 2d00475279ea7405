"""Input classes: what decides how long a run takes, and nothing else."""

import pytest

from relay.core.history.input_class import class_of_key, input_class


@pytest.mark.parametrize(
    ("given", "key", "units"),
    [
        ({}, "", 1),
        ({"prompt": "a cat", "seed": 5, "watermark": "false"}, "", 1),
        ({"maxImages": 9, "size": "2048x2048"}, "maximages=9;size=2048x2048", 9),
        ({"max_images": "9"}, "maximages=9", 9),
        ({"duration": "5s", "resolution": "720P", "fps": 24}, "duration=5;fps=24;resolution=720p", 5),
        ({"duration": "10", "n": 2}, "duration=10;n=2", 20),
        ({"num_frames": 1234}, "numframes=1200", 1200),
        ({"n": 0}, "", 1),
        ({"n": -3, "duration": "auto", "size": ["a"], "quality": True}, "quality=true", 1),
        ({"n": float("nan")}, "", 1),
        ({"n": True, "duration": [5]}, "", 1),
        ({"size": "a;b=c"}, "", 1),
        ({"size": "x" * 100}, "", 1),
    ],
    ids=str,
)
def test_the_class_of_an_input(given: dict[str, object], key: str, units: float) -> None:
    """Private text is never part of it, and a key can be read back."""
    found = input_class(given)
    assert (found.key, found.units) == (key, units)
    assert class_of_key(key) == found


def test_a_coarse_class_has_only_numbers() -> None:
    """It stands for the class if a model has too many."""
    assert input_class({"n": 2, "size": "1x1"}).coarse == "n=2"
