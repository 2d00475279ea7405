"""Tests that the JSON Schema of a model and its check agree, with an independent validator."""

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from relay.catalogue.catalogue import load
from relay.catalogue.check import check
from relay.catalogue.model import Input, Model
from relay.catalogue.schema import schema

ODD = Model(
    provider="wiro",
    model="some/body",
    run_as="some/body",
    title="Some body",
    inputs=(
        Input(name="image", label="Image", type="fileinput", required=True),
        Input(name="images", label="Images", type="multifileinput", required=True),
        Input(name="pictures", label="Pictures", type="combinefileinput", required=True, max_items=2),
        Input(name="steps", label="Steps", type="number", minimum=0.5),
        Input(name="region", label="Region", type="other"),
    ),
    closed=False,
)
MODELS = [*load(), ODD]
URL = "https://example.com/1.jpg"

WORDS = st.sampled_from(["", " ", "a cat", "x" * 5000, "x" * 5001, "1024x1024", "10x10", "ä🎉", URL, "ftp://x", "a b"])
NUMBERS = st.one_of(
    st.integers(-3, 20),
    st.sampled_from([-1, 2147483647, 2147483648, 4294967295, 4294967296, 2**53, 10**30]),
    st.floats(-2, 20),
)
LISTS = st.lists(st.sampled_from([URL, "http://example.com/a", "cat.jpg"]), max_size=3)
COUNTS = st.sampled_from([1, 2, 3, 14, 15]).map(lambda count: [URL] * count)
OTHERS = st.one_of(st.none(), st.booleans(), st.dictionaries(WORDS, st.integers(), max_size=1))


def plain(each: Input) -> st.SearchStrategy[object]:
    """
    Values of the JSON type that the schema gives an input, and values that nothing takes in its place.

    The equivalent forms, which the check takes and the schema does not name, are not among them.
    """
    match each.type:
        case "number":
            return NUMBERS | LISTS | OTHERS
        case "select":
            return st.sampled_from([*(option.value for option in each.options), "nothing", ""]) | LISTS
        case "combinefileinput":
            return COUNTS | COUNTS | LISTS | OTHERS
        case "multifileinput":  # a list is taken under the name that is no address
            return WORDS | OTHERS
        case _:
            return WORDS | LISTS | OTHERS


REQUIRED: dict[str, object] = {"prompt": "a cat", "imageUrl": URL, "imagesUrl": URL, "pictures": [URL]}


@st.composite
def inputs(draw: st.DrawFn, model: Model) -> dict[str, Any]:
    """Return a valid input with up to three values changed or removed, so that errors are few."""
    given = {each.key: REQUIRED[each.key] for each in model.inputs if each.key in REQUIRED}
    for each in draw(st.lists(st.sampled_from(model.inputs), max_size=3, unique_by=lambda each: each.key)):
        given.pop(each.key, None)
        if draw(st.booleans()):
            given[each.key] = draw(plain(each))
        if (alias := model.alias_of(each)) is not None and draw(st.booleans()):
            given[alias] = draw(WORDS | OTHERS | (LISTS if each.type == "multifileinput" else st.none()))
            assume(each.type != "fileinput" or given[alias] != given.get(each.key))  # the same twice is taken besides
    return given | (draw(st.sampled_from([{}, {}, {}, {"unknown": 1}])))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.model)
def test_a_schema_is_valid(model: Model) -> None:
    """It is well-formed, and its defaults are valid."""
    drawn = schema(model)
    Draft202012Validator.check_schema(drawn)
    for each in drawn["properties"].values():
        if "default" in each:
            Draft202012Validator(each).validate(each["default"])


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.model)
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_schema_and_check_agree(model: Model, data: st.DataObject) -> None:
    """An input that is valid by the schema is accepted, and one that is invalid is rejected."""
    tried = data.draw(inputs(model))

    assert Draft202012Validator(schema(model)).is_valid(tried) == (check(model, tried)[1] == ())


@pytest.mark.parametrize("model", [*load()], ids=lambda model: model.model)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_checking_is_idempotent(model: Model, data: st.DataObject) -> None:
    """A restart sends what the first attempt would have sent."""
    taken, faults = check(model, data.draw(inputs(model)))

    assert faults or check(model, taken) == (taken, ())
