"""What a start token allows (relay/access/start_rules.py, relay/access/starts.py)."""

from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from relay.access.grants import Access, Grant
from relay.access.start_rules import StartLimits, StartRules
from relay.access.starts import StartPermit
from relay.catalogue.catalogue import load
from relay.core.spending import Limit
from relay.core.upstream import File
from relay.errors import Code, RequestError
from relay.journal.base import Subscription
from relay.providers.base import Provider
from relay.tasks.models import Models
from relay.tasks.requests import Start

MODEL = "bytedance/text-to-image-seedream-v4"
SECRET = "a-secret-that-signs-tokens-in-tests"


class Wiro:
    """A provider by name."""

    name = "wiro"


def permit(**rules: object) -> StartPermit:
    granted = Grant(tag="u", scopes=frozenset({"start"}), expires_at=9.0, start=StartRules.model_validate(rules))
    return StartPermit(granted, Models(load(), {"wiro": cast("Provider", Wiro())}, lambda: 0.0))


def request(model: str = MODEL, **more: object) -> Start:
    return Start(model=model, **({"input": {"prompt": "a cat"}} | more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("patterns", "allowed"),
    [
        (None, True),
        ([], False),
        (["*"], True),
        (["bytedance/*"], True),
        (["BYTEDANCE/Text-*"], True),
        (["other/*"], False),
    ],
)
def test_models_are_patterns(patterns: list[str] | None, *, allowed: bool) -> None:
    """Without the claim, every model is allowed."""
    if allowed:
        assert permit(models=patterns).apply(request()).model == MODEL
    else:
        with pytest.raises(RequestError, match="does not allow the model") as refused:
            permit(models=patterns).apply(request(webhook=Subscription(url="https://x.example")))
        assert refused.value.code is Code.FORBIDDEN


@given(st.from_regex(r"[A-Za-z0-9._-]{1,20}/[A-Za-z0-9._-]{1,20}", fullmatch=True))
def test_no_other_model_is_allowed(name: str) -> None:
    rules = StartRules(models=["bytedance/*"])
    assert rules.allows_model(name) == name.lower().startswith("bytedance/")


def test_a_start_gets_the_tag_and_the_limits() -> None:
    limits = {"running": 2, "per_hour": 20, "spend_usd": 5.0}
    start = permit(limits=limits).apply(request(tags=("u",)))
    assert (start.tags, start.tag) == (("u",), "u")
    assert start.limits == (
        Limit(account="tag:u", counted="running", most=2),
        Limit(account="tag:u", counted="starts", most=20),
        Limit(account="tag:u", counted="usd", most=5.0),
    )
    for refused in (request(tags=("u", "other")), request(webhook=Subscription(url="https://x.example"))):
        with pytest.raises(RequestError) as error:
            permit().apply(refused)
        assert error.value.code is Code.FORBIDDEN


@given(
    value=st.one_of(st.integers(-20, 20), st.floats(-20, 20), st.booleans(), st.text(max_size=3), st.none()),
    as_text=st.booleans(),
)
def test_no_input_beyond_a_bound_is_allowed(value: object, *, as_text: bool) -> None:
    """Numbers in texts count as numbers, as platforms take them. Nothing else is a number."""
    given_value = str(value) if as_text else value
    rules = StartRules(inputs={"n": {"max": 4, "min": 1}})
    try:
        number = None if isinstance(given_value, bool) or given_value is None else float(given_value)  # type: ignore[arg-type]
    except ValueError:
        number = None
    assert (rules.problem("n", given_value) is None) == (number is not None and 1 <= number <= 4)


def test_fixed_inputs_are_filled_in_and_bounds_include_defaults() -> None:
    allowed = permit(inputs={"size": "2K", "maxImages": {"max": 2}})
    assert allowed.apply(request()).input == {"prompt": "a cat", "size": "2K"}
    same = {"prompt": "x", "maxImages": "2", "size": "2K"}
    assert allowed.apply(request(input=same)).input == same
    wrong = (
        {"size": "4K"},
        {"maxImages": 3},
        {"maxImages": "1e9"},
        {"maximages": 9},
        {"maxImages": [1, 2, 3]},
        {"maxImages": True},
        {"maxImages": float("nan")},
    )
    for given_input in wrong:
        with pytest.raises(RequestError, match="does not allow this input") as refused:
            allowed.apply(request(input={"prompt": "x", **given_input}))
        assert refused.value.code is Code.FORBIDDEN
        assert refused.value.fields
    with pytest.raises(RequestError, match="at least 3"):  # the default of the model is 1
        permit(inputs={"maxImages": {"min": 3}}).apply(request())
    with pytest.raises(RequestError, match="one of `a`, `b`"):
        permit(inputs={"size": {"in": ["a", "b"]}}).apply(request(input={"size": "c"}))


def test_a_file_cannot_replace_a_fixed_input() -> None:
    file = File(
        input="inputImage", filename="a.png", content_type="image/png", size_bytes=1, sha256="0", path=Path("a")
    )
    assert permit().apply(request(files=(file,))).files == (file,)
    for name in ("inputImage", "inputImageUrl", "INPUTIMAGE"):
        with pytest.raises(RequestError, match="must not be a file"):
            permit(inputs={name: "https://example.com/a.png"}).apply(request(files=(file,)))


@pytest.mark.parametrize(
    "claims",
    [
        {"limits": {"runing": 2}},
        {"limits": {"running": 0}},
        {"limits": {"running": "2"}},
        {"limits": {"spend_usd": -1.0}},
        {"limits": {"spend_usd": float("inf")}},
        {"limits": 3},
        {"models": "bytedance/*"},
        {"models": ["bytedance"]},
        {"models": [3]},
        {"inputs": {"n": {"maximum": 3}}},
        {"inputs": {"n": {"max": "many"}}},
        {"inputs": {"n": {}}},
        {"inputs": {"n": {"in": []}}},
        {"key": "Not A Name"},
    ],
)
def test_a_token_with_an_invalid_rule_is_rejected(claims: dict[str, object]) -> None:
    """A mistake must not allow more than was meant."""
    access = Access([], SECRET, lambda: 1000.0)
    token, _ = access._sign("tag", "u", "start", 60, None, claims)
    with pytest.raises(RequestError) as refused:
        access.check(token)
    assert refused.value.code is Code.UNAUTHORIZED
    if "key" not in claims:
        with pytest.raises(ValidationError):
            StartRules.model_validate(claims)


def test_rules_survive_the_token() -> None:
    access = Access([], SECRET, lambda: 1000.0)
    rules = StartRules(models=[], limits=StartLimits(running=2), inputs={"n": {"max": 2}})
    token, _ = access.mint_tag("u", scope="start view", ttl_s=60, rules=rules, key="shop")
    grant = access.check(token)
    assert (grant.start, grant.name, grant.tag, grant.is_key) == (rules, "shop", "u", False)
    task, _ = access.mint("t", scope="view start", ttl_s=60)
    assert access.check(task).scopes == {"view"}, "a token of one task starts nothing"
