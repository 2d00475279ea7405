"""Results: the union of those in the terminal frame and those in the record."""

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
def test_every_result_is_included_once_and_those_of_the_record_first(
    shown: tuple[Output, ...], record: tuple[Output, ...]
) -> None:
    """Whichever of the two has it."""
    merged = merge(shown, record)
    assert merged[: len(record)] == record
    assert set(merged) == {*shown, *record}
    assert len(merged) == len(set(merged))
    assert merge(merged, record) == merged


def test_missing_fields_are_taken_from_the_other() -> None:
    """Type, size and name."""
    bare = Output(content_type=UNKNOWN_TYPE, url="https://cdn.example/0.mp4")
    full = Output(content_type="video/mp4", name="0.mp4", size=9, url="https://cdn.example/0.mp4")
    assert merge((bare,), (full,)) == (full,)
    assert merge((full,), (bare,)) == (full,)


def test_a_url_that_is_signed_again_is_the_same_result() -> None:
    """If name and size leave no doubt. The URL of the record counts."""
    old, new = (replace(picture(0), url=f"https://cdn.example/0.png?signature={each}") for each in "ab")
    assert merge((old,), (new,)) == (new,)
    assert merge((old,), (replace(new, name="1.png"),)) == (replace(new, name="1.png"), old)


def test_results_with_one_name_and_different_urls_stay_apart() -> None:
    """Models give all their images the same name."""
    one, other = (replace(picture(number), name="output.png") for number in (0, 1))
    assert merge((one,), (one, other)) == (one, other)
    assert merge((one,), (other,)) == (other, one)


def test_a_file_without_a_url_gets_that_of_the_record() -> None:
    """The frame can name a file before it is stored."""
    named = Output(content_type="image/png", name="0.png")
    assert merge((named,), (picture(0),)) == (picture(0),)


def answer(**content: object) -> Output:
    return Output(content_type="raw", content=content)


def test_the_answer_in_the_frame_is_the_one_in_the_record() -> None:
    """The text of the record counts, and fields that only one of them has are kept."""
    early, late = answer(prompt="q", answer=[]), answer(prompt="q", answer=["42"], finishreason="stop")
    assert merge((early,), (late,)) == (late,)
    assert merge((answer(answer=["42"], usage=1),), (late,)) == (answer(**(late.content or {}), usage=1),)


def test_a_repetition_of_the_answer_in_one_piece_is_left_out() -> None:
    """The frame lacks `raw`, and viewers do not need it."""
    frame, record = answer(prompt="q", answer=["42"]), answer(prompt="q", answer=["42"], raw="42")
    assert merge((frame,), (record,)) == (frame,)
    assert merge((), (record,)) == (record,)


@given(pictures)
def test_a_record_without_results_removes_none(shown: tuple[Output, ...]) -> None:
    """It lags behind the frame."""
    assert merge(shown, ()) == shown


def test_a_file_without_a_url_is_not_an_answer() -> None:
    """Two results without URLs are compared only if both have content, or neither has."""
    file = Output(content_type="image/png", name="0.png")
    answer = Output(content_type="raw", content={"raw": "yes"})
    assert merge((file,), (answer,)) == (answer, file)
    assert merge((answer,), (file,)) == (file, answer)
