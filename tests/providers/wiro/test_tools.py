"""Tests for model descriptions: what is understood is checked, and everything else accepts any value."""

import orjson
import pytest

from relay.catalogue.check import check
from relay.catalogue.model import Input, Model, Option
from relay.errors import UpstreamRejected, UpstreamUnclear
from relay.providers.response import Response
from relay.providers.wiro.tools import parse_tool

NAME = "Some/Body"


def answer(body: object, status: int = 200) -> Response:
    return Response(status=status, content_type="application/json", body=orjson.dumps(body))


def described(parameters: object, **more: object) -> Model:
    tool = {"title": "Body", "description": "Draws.", "parameters": parameters, **more}
    model = parse_tool(answer({"result": True, "errors": [], "total": 1, "tool": [tool]}), NAME)
    assert model is not None
    return model


def one(**item: object) -> Input:
    (found,) = described([{"title": "Inputs", "items": [{"id": "x", "label": "X", **item}]}]).inputs
    return found


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("text", "text"),
        ("textarea", "textarea"),
        ("number", "number"),
        ("range", "number"),
        ("numeric", "number"),
        ("Integer", "number"),
        ("int", "number"),
        ("float", "number"),
        ("double", "number"),
        ("multiselect", "other"),
        ("fileinput", "fileinput"),
        ("multifileinput", "multifileinput"),
        ("combinefileinput", "combinefileinput"),
        ("SELECT", "other"),
        ("colour", "other"),
        ("", "other"),
        (None, "other"),
        (7, "other"),
    ],
)
def test_each_type_becomes_ours_or_one_that_takes_anything(said: object, kind: str) -> None:
    """A future type rejects nothing; neither does a select without options."""
    assert one(type=said).type == kind


@pytest.mark.parametrize("kind", ["select", "selectwithcover"])
@pytest.mark.parametrize(
    "options",
    [
        [{"label": "Five", "value": "5"}, {"label": "Ten", "value": 10}, {"value": True}],
        '[{"label": "Five", "value": "5"}, {"label": "Ten", "value": 10}, {"value": true}]',
    ],
)
def test_options_become_strings(kind: str, options: object) -> None:
    """Numbers and booleans become the strings that inputs are compared with."""
    assert one(type=kind, options=options).options == (
        Option(value="5", label="Five"),
        Option(value="10", label="Ten"),
        Option(value="true", label="true"),
    )


def test_options_may_be_bare_strings() -> None:
    """Value and label are then the same."""
    assert one(type="select", options=["a", "b"]).options == (
        Option(value="a", label="a"),
        Option(value="b", label="b"),
    )


def test_flags_and_numbers_may_be_strings() -> None:
    """This is common in Wiro's responses."""
    found = one(type="range", min="0.5", max=3, required="1", default="", note="How much")

    assert (found.minimum, found.maximum, found.required, found.help) == (0.5, 3.0, True, "How much")


@pytest.mark.parametrize(("said", "whole"), [("integer", True), ("int", True), ("float", False), ("numeric", False)])
def test_a_type_may_mean_integer(said: str, whole: bool) -> None:
    """Its limits are parsed like those of any number."""
    model = described([{"id": "steps", "type": said, "min": "1", "max": "50"}])

    assert (model.inputs[0].type, model.inputs[0].integer) == ("number", whole)
    assert [check(model, {"steps": value})[1] == () for value in (2, "2", 2.5, 51, "")] == [
        True,
        True,
        not whole,
        False,
        True,
    ]


@pytest.mark.parametrize("kind", ["multiselect", "select"])
def test_an_option_without_a_value_sends_its_label(kind: str) -> None:
    """A `multiselect` allows several options, so it accepts any value."""
    found = one(type=kind, options=[{"label": "Fast"}, {"label": "Slow", "value": None}, {"value": ""}, {}, 7, True])

    assert [option.value for option in found.options] == ["Fast", "Slow", "7", "true"]
    assert [option.label for option in found.options] == ["Fast", "Slow", "7", "true"]


def test_a_url_is_accepted_under_either_name() -> None:
    """This also holds for a model that is not in the catalogue."""
    kinds = ("fileinput", "multifileinput", "combinefileinput", "imageinput")
    for kind in kinds:
        model = described([{"id": "inputImage", "type": kind}])
        for name in ("inputImage", "inputImageUrl"):
            for value in ("https://example.com/1.jpg", ""):
                assert check(model, {name: value})[1] == ()


def test_an_input_with_a_default_is_optional() -> None:
    """The platform fills it in or rejects the run; only the existence of a default is known."""
    found = one(type="number", required=True, default=2.5)

    assert (found.required, found.default) == (False, "2.5")


def test_a_model_without_described_inputs_accepts_anything() -> None:
    """`parameters` is null for some models that have inputs."""
    nothing: list[object] = [None, [], {}, "none", [{"title": "Inputs", "items": None}], [{"items": [{"label": "X"}]}]]
    for parameters in nothing:
        model = described(parameters)
        assert (model.inputs, model.closed) == ((), False)


def test_groups_and_flat_lists_of_inputs_are_equivalent() -> None:
    """The groups only affect the layout of the platform's page."""
    items = [{"id": "a", "type": "text"}, {"id": "b", "type": "text"}]
    for parameters in ([{"items": items[:1]}, {"items": items[1:]}], items, orjson.dumps(items).decode()):
        model = described(parameters)
        assert [each.name for each in model.inputs] == ["a", "b"]
        assert model.closed


def test_an_item_that_cannot_be_read_opens_the_model() -> None:
    """It could have any name."""
    model = described([{"items": [{"id": "a", "type": "text"}, "?"]}])

    assert [each.name for each in model.inputs] == ["a"]
    assert not model.closed


def test_only_objects_are_samples() -> None:
    """Other values are left out."""
    model = described([], inspire=[{"prompt": "a cat", "cover": {"url": "x"}}, None, "?", {}])

    assert model.inspires == ({"prompt": "a cat"},)
    assert (model.title, model.description, model.run_as) == ("Body", "Draws.", NAME)


@pytest.mark.parametrize("message", ["slug-owner-project-not-exist", "tool-not-accessible"])
def test_an_unknown_model_is_null(message: str) -> None:
    """Wiro sends an error or an empty list."""
    assert parse_tool(answer({"result": False, "errors": [{"code": 1, "message": message}]}), NAME) is None
    assert parse_tool(answer({"result": True, "errors": [], "tool": []}), NAME) is None


def test_another_refusal_is_raised() -> None:
    """An invalid key does not mean that the model is unknown."""
    with pytest.raises(UpstreamRejected):
        parse_tool(answer({"result": False, "errors": [{"code": 99, "message": "token"}]}), NAME)


@pytest.mark.parametrize("body", [{"result": True, "errors": []}, {"tool": [{"title": "x"}], "errors": []}, [], "x"])
def test_a_response_without_a_description_is_unclear(body: object) -> None:
    """An unknown format is not mistaken for a model without inputs."""
    with pytest.raises(UpstreamUnclear):
        parse_tool(answer(body), NAME)


@pytest.mark.parametrize("price", [[{"inputs": {}, "price": 0.09}], {"price": 0.09}, '[{"price":0.09}]', "", None, 7])
def test_a_price_in_any_format_is_ignored(price: object) -> None:
    """An array or an object in Tool/Detail, JSON in a string in Tool/List."""
    assert described([{"id": "a", "type": "text"}], dynamicprice=price) == described([{"id": "a", "type": "text"}])
