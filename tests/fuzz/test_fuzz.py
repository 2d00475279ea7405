"""Run every fuzz target with bytes from Hypothesis."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.live import live
from tests.fuzz.target import ODD, Target
from tests.fuzz.targets import TARGETS

pytestmark = [  # the relay disables these warnings, and pytest enables them again
    pytest.mark.filterwarnings("ignore::aiohttp.multipart.BadContentDispositionHeader"),
    pytest.mark.filterwarnings("ignore::aiohttp.multipart.BadContentDispositionParam"),
]

EDITS = 6
EXAMPLES = 100


@pytest.fixture(scope="module", autouse=True)
def relay() -> Iterator[None]:
    """Stop the relay that some of the targets use."""
    yield
    live().close()
    live.cache_clear()


@st.composite
def mutated(draw: st.DrawFn, target: Target) -> bytes:
    """Generate one of the target's seeds with a few ranges replaced."""
    data = draw(st.sampled_from(target.seeds))
    pieces = st.sampled_from((*ODD, *target.words)) | st.binary(max_size=6)
    for _ in range(draw(st.integers(0, EDITS))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 20)))
        data = data[:start] + draw(pieces) + data[end:]
    return data


def documents(target: Target) -> st.SearchStrategy[bytes]:
    """Generate JSON with the target's own words as names, and any values."""
    words = st.sampled_from([word.decode() for word in target.words])
    text = st.text(st.characters(exclude_categories=()), max_size=8)  # with lone surrogates
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | text | words
    values = st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words | text, inner, max_size=5),
        max_leaves=15,
    )
    openings = st.sampled_from([b"", *{seed[:1] for seed in target.seeds}])
    return st.builds(lambda opening, value: opening + json.dumps(value).encode(), openings, values)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_any_input_raises_only_documented_errors(target: Target) -> None:
    """Each target asserts what must hold for its parser."""

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(mutated(target) | documents(target))
    def try_out(data: bytes) -> None:
        target.try_out(data)

    for seed in target.seeds:
        target.try_out(seed)
    try_out()
