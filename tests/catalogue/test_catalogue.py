"""Tests for the catalogue: its files load, are consistent, and errors name the file."""

from pathlib import Path

import pytest

from relay.catalogue.catalogue import load
from relay.catalogue.check import check
from relay.catalogue.model import Model
from relay.errors import ConfigError

CATALOGUE = load()

GOOD = """
provider = "wiro"
model = "some/body"
run_as = "Some/Body"
title = "Some body"

[[inputs]]
name = "prompt"
label = "Prompt"
type = "text"
"""


def test_the_supported_models_are_in_the_catalogue() -> None:
    """Four of Wiro and one of Apikley, in their documented spelling."""
    assert {(model.provider, model.model, model.run_as) for model in CATALOGUE} == {
        ("wiro", "bytedance/text-to-image-seedream-v4", "bytedance/text-to-image-seedream-v4"),
        ("wiro", "bytedance/seedream-v4", "bytedance/seedream-v4"),
        ("wiro", "bytedance/text-to-image-seedream-v3", "bytedance/text-to-image-seedream-v3"),
        ("wiro", "bytedance/image-to-video-seedance-v1", "ByteDance/image-to-video-seedance-v1"),
        ("apikley", "bytedance/seedream-v4-text-to-image", "bytedance/seedream-v4-text-to-image"),
    }


@pytest.mark.parametrize("name", ["bytedance/seedream-v4", "ByteDance/seedream-v4", "BYTEDANCE/SEEDREAM-V4"])
def test_a_name_is_found_in_any_case(name: str) -> None:
    """The documents use both spellings of the same owner."""
    model = CATALOGUE.find("wiro", name)

    assert model is not None
    assert model.model == "bytedance/seedream-v4"
    assert CATALOGUE.providers_of(name) == ("wiro",)
    assert CATALOGUE.find("apikley", name) is None


@pytest.mark.parametrize("model", [*CATALOGUE], ids=lambda model: model.model)
def test_a_model_file_is_consistent(model: Model) -> None:
    """Defaults and samples are valid, selects have options, patterns are described, inputs have labels."""
    assert model.run_as.lower() == model.model
    assert len({each.name for each in model.inputs}) == len(model.inputs)
    assert model.inspires
    for sample in model.inspires:
        assert check(model, sample)[1] == ()
    for each in model.inputs:
        assert each.label
        assert bool(each.options) == (each.type == "select")
        assert bool(each.pattern) == bool(each.takes)
        if each.default is not None:
            taken, faults = check(model, {"prompt": "a cat", each.key: each.default})
            assert faults == ()
            assert (taken[each.key], type(taken[each.key])) == (each.default, type(each.default))


def test_an_input_that_is_no_longer_valid_is_sent_unchanged() -> None:
    """A task that is queued while its model file changes is not rejected later."""
    assert CATALOGUE.sent("wiro", "bytedance/seedream-v4", {"old": 1}) == ("bytedance/seedream-v4", {"old": 1})


def test_a_model_that_is_not_in_the_catalogue_is_sent_unchanged() -> None:
    """Both its name and its input."""
    assert CATALOGUE.sent("wiro", "Some/Body", {"x": 1}) == ("Some/Body", {"x": 1})
    assert CATALOGUE.sent("apikley", "bytedance/seedream-v4", {"x": 1}) == ("bytedance/seedream-v4", {"x": 1})


def test_a_new_file_adds_a_model(tmp_path: Path) -> None:
    """A new model needs only a file."""
    (tmp_path / "body.toml").write_text(GOOD)
    (model,) = load(tmp_path)

    assert (model.run_as, model.inputs[0].label) == ("Some/Body", "Prompt")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (GOOD.replace('type = "text"', 'type = "texte"'), "inputs.0.type"),
        (GOOD + "maximun = 3\n", "inputs.0.maximun"),
        (GOOD.replace('title = "Some body"', ""), "title"),
        ("provider =", "at end of document"),
    ],
)
def test_an_error_names_the_file_and_the_field(tmp_path: Path, text: str, says: str) -> None:
    """The author of a model file learns where the mistake is."""
    (tmp_path / "body.toml").write_text(text)

    with pytest.raises(ConfigError, match=r"body\.toml") as error:
        load(tmp_path)
    assert says in str(error.value)
