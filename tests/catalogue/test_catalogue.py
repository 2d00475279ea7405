"""The catalogue's files: they can be read, they agree with themselves, and a wrong one is named."""

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


def test_the_models_of_the_mission_are_there() -> None:
    """Four of Wiro and one of Apikley, in the spelling that their documents send."""
    assert {(model.provider, model.model, model.run_as) for model in CATALOGUE} == {
        ("wiro", "bytedance/text-to-image-seedream-v4", "bytedance/text-to-image-seedream-v4"),
        ("wiro", "bytedance/seedream-v4", "bytedance/seedream-v4"),
        ("wiro", "bytedance/text-to-image-seedream-v3", "bytedance/text-to-image-seedream-v3"),
        ("wiro", "bytedance/image-to-video-seedance-v1", "ByteDance/image-to-video-seedance-v1"),
        ("apikley", "bytedance/seedream-v4-text-to-image", "bytedance/seedream-v4-text-to-image"),
    }


@pytest.mark.parametrize("name", ["bytedance/seedream-v4", "ByteDance/seedream-v4", "BYTEDANCE/SEEDREAM-V4"])
def test_a_name_is_found_in_any_case(name: str) -> None:
    """The documents spell the same owner both ways."""
    model = CATALOGUE.find("wiro", name)

    assert model is not None
    assert model.model == "bytedance/seedream-v4"
    assert CATALOGUE.providers_of(name) == ("wiro",)
    assert CATALOGUE.find("apikley", name) is None


@pytest.mark.parametrize("model", [*CATALOGUE], ids=lambda model: model.model)
def test_a_file_agrees_with_itself(model: Model) -> None:
    """Defaults and samples fit, selects have options, texts say what their pattern means, every input has a label."""
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


def test_what_does_not_fit_any_longer_goes_as_it_is() -> None:
    """A task that waits over an update of its file is not refused by us after all."""
    assert CATALOGUE.sent("wiro", "bytedance/seedream-v4", {"old": 1}) == ("bytedance/seedream-v4", {"old": 1})


def test_what_is_not_in_the_catalogue_goes_as_it_is() -> None:
    """Name and input alike."""
    assert CATALOGUE.sent("wiro", "Some/Body", {"x": 1}) == ("Some/Body", {"x": 1})
    assert CATALOGUE.sent("apikley", "bytedance/seedream-v4", {"x": 1}) == ("bytedance/seedream-v4", {"x": 1})


def test_a_file_that_is_added_is_a_model(tmp_path: Path) -> None:
    """Adding a model takes a file and nothing else."""
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
def test_a_file_that_is_wrong_is_named_with_the_field(tmp_path: Path, text: str, says: str) -> None:
    """Whoever adds a model is told where the slip is."""
    (tmp_path / "body.toml").write_text(text)

    with pytest.raises(ConfigError, match=r"body\.toml") as error:
        load(tmp_path)
    assert says in str(error.value)
