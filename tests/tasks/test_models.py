"""What each model takes: the catalogue first, then the platform's description; without either, input is unchecked."""

import asyncio
from collections.abc import Mapping
from typing import cast

import pytest
from structlog.testing import capture_logs

from relay.catalogue.catalogue import load
from relay.catalogue.model import Input, Model
from relay.errors import RequestError, UpstreamError, UpstreamUnclear
from relay.providers.base import Provider
from relay.tasks.models import CACHE_S, CACHE_SIZE, FAILURE_CACHE_S, Models

NAME = "some/body"


def body(name: str, *, closed: bool = True) -> Model:
    size = Input(name="size", label="Size", type="number", minimum=1.0)
    return Model(provider="wiro", model=name, run_as=name, title="", inputs=(size,), closed=closed)


class Platform:
    """A provider that can be asked about models, and counts how often it was."""

    def __init__(self, *, name: str = "wiro", closed: bool = True) -> None:
        self.name = name
        self.asked: list[str] = []
        self.error: UpstreamError | None = None
        self.known = True
        self.closed = closed

    async def describe(self, model: str) -> Model | None:
        self.asked.append(model)
        if self.error is not None:
            raise self.error
        return body(model, closed=self.closed) if self.known else None


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def wiro() -> Platform:
    return Platform()


@pytest.fixture
def models(wiro: Platform, clock: Clock) -> Models:
    return made({"wiro": wiro}, clock)


def made(platforms: Mapping[str, Platform], clock: Clock) -> Models:
    return Models(load(), {name: cast("Provider", platform) for name, platform in platforms.items()}, clock)


async def test_a_model_of_the_catalogue_is_not_asked_for(models: Models, wiro: Platform) -> None:
    """It costs no call, whatever the case of its name."""
    await models.check("wiro", "ByteDance/Seedream-V4", {"prompt": "a cat"})
    with pytest.raises(RequestError, match="size must be one of 2048x2048"):
        await models.check("wiro", "bytedance/seedream-v4", {"prompt": "a cat", "size": "1K"})

    assert wiro.asked == []


async def test_another_model_is_checked_against_its_platforms_description(models: Models) -> None:
    """By the same rules and with the same messages, one field for each error."""
    await models.check("wiro", NAME, {"size": 2})
    with pytest.raises(RequestError) as refused:
        await models.check("wiro", NAME, {"size": 0, "colour": "red"})

    assert [fault.field for fault in refused.value.fields] == ["input.size", "input.colour"]
    assert refused.value.detail == f"size must be at least 1; colour is not an input of {NAME}; its inputs are size"


async def test_a_description_is_cached_for_an_hour(models: Models, wiro: Platform, clock: Clock) -> None:
    """It is asked for once, whatever the case of the name, and again after an hour."""
    for name in (NAME, NAME.upper(), NAME):
        await models.check("wiro", name, {})
    assert wiro.asked == [NAME]
    clock.now += CACHE_S
    await models.check("wiro", NAME, {})

    assert wiro.asked == [NAME, NAME]


async def test_the_cache_of_descriptions_is_limited(models: Models, wiro: Platform) -> None:
    """The oldest is dropped first, so made-up names cannot fill the memory."""
    for number in range(CACHE_SIZE + 1):
        await models.check("wiro", f"some/body-{number}", {})
    await models.check("wiro", "some/body-1", {})
    assert len(wiro.asked) == CACHE_SIZE + 1
    await models.check("wiro", "some/body-0", {})

    assert len(wiro.asked) == CACHE_SIZE + 2


async def test_input_without_a_description_passes_and_the_log_says_so(
    models: Models, wiro: Platform, clock: Clock
) -> None:
    """After an error, or for a model that is not described. The platform is not asked each time."""
    for error, known, reason in (
        (UpstreamUnclear("Wiro answered HTTP 500."), True, "Wiro answered HTTP 500."),
        (None, False, "its inputs are not described"),
    ):
        wiro.error, wiro.known, wiro.asked = error, known, []
        with capture_logs() as lines:
            await models.check("wiro", NAME, {"anything": "goes"})
            await models.check("wiro", NAME, {"anything": "goes"})
        unchecked = {"event": "model.unchecked", "log_level": "warning", "provider": "wiro", "model": NAME}
        assert lines == [unchecked | {"reason": reason}] * 2
        assert wiro.asked == [NAME]
        clock.now += FAILURE_CACHE_S


async def test_a_partial_description_is_used(clock: Clock) -> None:
    """Known inputs are checked, unknown ones pass, and the log says so."""
    models = made({"wiro": Platform(closed=False)}, clock)
    with capture_logs() as lines:
        await models.check("wiro", NAME, {"size": 1, "colour": "red"})
    with pytest.raises(RequestError):
        await models.check("wiro", NAME, {"size": 0})

    assert [line["event"] for line in lines] == ["model.unchecked"]


async def test_a_platform_that_does_not_answer_delays_a_start_briefly(
    models: Models, wiro: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start waits for a description for a limited time."""

    async def never(_model: str) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("relay.tasks.models.DESCRIBE_TIMEOUT_S", 0.0)
    monkeypatch.setattr(wiro, "describe", never)
    with capture_logs() as lines:
        await models.check("wiro", NAME, {"anything": "goes"})

    assert lines[0]["reason"] == f"wiro did not describe {NAME} within 0 s."


async def test_a_model_is_found_in_the_catalogue_or_at_a_platform(clock: Clock) -> None:
    """The catalogue needs no credentials; else the first platform that has it is used."""
    first, second = Platform(), Platform()
    first.known = False
    models = made({"first": first, "second": second}, clock)
    listed = await models.find("ByteDance/Seedream-V4-text-to-image")
    assert listed is not None
    assert (listed.provider, models.is_available(listed)) == ("apikley", False)
    found = await models.find(NAME)
    assert found is not None
    assert (first.asked, second.asked) == ([NAME], [NAME])
    assert await models.find(NAME, "first") is None
    assert await models.find(NAME, "unknown") is None
    first.error = second.error = UpstreamUnclear("no")
    clock.now += CACHE_S
    with pytest.raises(UpstreamUnclear):
        await models.find(NAME)


def test_the_catalogue_says_which_provider_runs_a_model(clock: Clock) -> None:
    """A client need not name the provider. A model of a provider without credentials is rejected."""
    models = made({"apikley": Platform(name="apikley"), "wiro": Platform()}, clock)
    assert models.provider_for("ByteDance/seedream-v4", None) == "wiro"
    assert models.provider_for("ByteDance/seedream-v4", "apikley") == "apikley"
    assert models.provider_for(NAME, None) == "apikley"
    models = made({"wiro": Platform()}, clock)
    with pytest.raises(RequestError, match="a model of apikley, which has no credentials here"):
        models.provider_for("bytedance/seedream-v4-text-to-image", None)
