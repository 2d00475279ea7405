"""Results: the union of what the terminal frame and the record name."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from relay.core.events import Output
from relay.core.results import UNKNOWN_TYPE, merge


def picture(number: int, *, size: int | None = 7, content_type: str = "image/png") -> Output:
    url = f"https://cdn.example/{number}.png"
    return Output(content_type=content_type, name=f"{number}.png", size=size, url=url)


pictures = st.lists(st.integers(0, 5), unique=True).map(lambda numbers: tuple(picture(number) for number in numbers))


@given(pictures, pictures)
def test_every_result_is_there_once_and_the_records_come_first(
    shown: tuple[Output, ...], record: tuple[Output, ...]
) -> None:
    """Whoever names it."""
    merged = merge(shown, record)
    assert merged[: len(record)] == record
    assert set(merged) == {*shown, *record}
    assert len(merged) == len(set(merged))
    assert merge(merged, record) == merged


def test_what_one_leaves_out_is_taken_from_the_other() -> None:
    """A type, a size, a name."""
    bare = Output(content_type=UNKNOWN_TYPE, url="https://cdn.example/0.mp4")
    full = Output(content_type="video/mp4", name="0.mp4", size=9, url="https://cdn.example/0.mp4")
    assert merge((bare,), (full,)) == (full,)
    assert merge((full,), (bare,)) == (full,)


def test_an_address_that_is_signed_anew_is_the_same_result() -> None:
    """As long as name and size leave no doubt; the record's address counts."""
    old, new = (replace(picture(0), url=f"https://cdn.example/0.png?signature={each}") for each in "ab")
    assert merge((old,), (new,)) == (new,)
    assert merge((old,), (replace(new, name="1.png"),)) == (replace(new, name="1.png"), old)


def test_results_of_one_name_at_different_addresses_stay_apart() -> None:
    """Models name all their pictures alike."""
    one, other = (replace(picture(number), name="output.png") for number in (0, 1))
    assert merge((one,), (one, other)) == (one, other)
    assert merge((one,), (other,)) == (other, one)


def test_a_file_without_an_address_gets_the_one_that_the_record_has() -> None:
    """The frame names it before it is stored."""
    named = Output(content_type="image/png", name="0.png")
    assert merge((named,), (picture(0),)) == (picture(0),)


def answer(**content: object) -> Output:
    return Output(content_type="raw", content=content)


def test_an_answer_of_the_frame_is_the_one_of_the_record() -> None:
    """The record's text counts, and what only one of them says is kept."""
    early, late = answer(prompt="q", answer=[]), answer(prompt="q", answer=["42"], finishreason="stop")
    assert merge((early,), (late,)) == (late,)
    assert merge((answer(answer=["42"], usage=1),), (late,)) == (answer(**(late.content or {}), usage=1),)


def test_an_answer_is_not_told_again_for_its_repetition_in_one_piece() -> None:
    """The frame leaves `raw` out, and viewers need it no more."""
    frame, record = answer(prompt="q", answer=["42"]), answer(prompt="q", answer=["42"], raw="42")
    assert merge((frame,), (record,)) == (frame,)
    assert merge((), (record,)) == (record,)


@given(pictures)
def test_a_record_without_results_takes_none_away(shown: tuple[Output, ...]) -> None:
    """It is late."""
    assert merge(shown, ()) == shown


def test_a_file_without_a_url_is_not_an_answer() -> None:
    """Two results without URLs are compared only if both have content, or neither has."""
    file = Output(content_type="image/png", name="0.png")
    answer = Output(content_type="raw", content={"raw": "yes"})
    assert merge((file,), (answer,)) == (answer, file)
    assert merge((answer,), (file,)) == (file, answer)
