"""Refusals: what Wiro's codes and words mean for the caller and for the operator."""

import pytest

from relay.errors import Code, FieldError, UpstreamFault, UpstreamFull
from relay.providers.lenient_json import MESSAGE_CHARS
from relay.providers.wiro.refusals import classify, parse_errors

BUSY = "You have reached your concurrent task limit. With your current balance of $10, you can run up to 1 tasks."


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ([{"code": 97, "message": "Insufficient balance"}], (97, "Insufficient balance")),
        ([{"code": "97", "message": "Insufficient balance"}], (97, "Insufficient balance")),
        ([{"code": "task-not-exist"}], ("task-not-exist", "task-not-exist")),
        (["tool-not-accessible"], (None, "tool-not-accessible")),
        ("tool-not-accessible", (None, "tool-not-accessible")),
        ({"code": 1, "message": "no"}, (1, "no")),
        ([{"message": "two\nlines\x00"}], (None, "two lines")),
    ],
)
def test_errors_are_read_in_every_spelling(errors: object, expected: tuple[int | str | None, str]) -> None:
    """Objects, bare strings, codes as strings or words, with or without a list."""
    assert parse_errors(errors) == (UpstreamFault(code=expected[0], message=expected[1]),)


@pytest.mark.parametrize("errors", [None, [], "", {}, [None], [[]], [" "]])
def test_empty_errors_are_ignored(errors: object) -> None:
    """A successful response has null or an empty list."""
    assert parse_errors(errors) == ()


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        (97, "Insufficient balance", Code.INSUFFICIENT_BALANCE),
        (97, "You need at least $10 to train", Code.INSUFFICIENT_BALANCE),
        (None, "Insufficient balance", Code.INSUFFICIENT_BALANCE),
        (0, "Team spend limit has been reached", Code.INSUFFICIENT_BALANCE),
        (0, "TEAM SPEND LIMIT HAS BEEN REACHED.", Code.INSUFFICIENT_BALANCE),
        (0, "Your personal spend limit in this team has been reached", Code.INSUFFICIENT_BALANCE),
        (96, "Your spending limit has been reached.", Code.INSUFFICIENT_BALANCE),
        (0, "This model is not available for your team", Code.FORBIDDEN),
        (0, "This model is not available for your team.", Code.FORBIDDEN),
        (1, "Video models are not available in your organization.", Code.FORBIDDEN),
        (96, BUSY, Code.RATE_LIMITED),
        (0, "Request parameter [prompt] required", Code.INVALID_INPUT),
        (0, "Request parameter [seed] must be integer or float", Code.INVALID_INPUT),
        (0, "Request files [inputImage] required", Code.INVALID_INPUT),
        (0, "Request parameters are invalid.", Code.INVALID_INPUT),
        (1, "tool-not-accessible", Code.INVALID_INPUT),
        (1, "slug-owner-project-not-exist", Code.INVALID_INPUT),
        (0, "You don't have any permission for this action.", Code.UPSTREAM_REJECTED),
        (0, "Your account has been suspended.", Code.UPSTREAM_REJECTED),
        (98, "sign in to run this model", Code.UPSTREAM_REJECTED),
    ],
)
def test_a_refusal_has_a_problem_code_and_the_error_of_wiro(code: int | None, message: str, expected: Code) -> None:
    """The problem code is for the caller; Wiro's code is kept, because 96 means that the task can queue."""
    refusal = classify(200, (UpstreamFault(code=code, message=message),))

    assert refusal.code is expected
    assert refusal.fault == UpstreamFault(code=code, message=message)


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("Request parameter [prompt] required", "input.prompt"),
        ("Request parameter [seed] must be between 0 and 9", "input.seed"),
        ("Request files [inputImage] required", "input.inputImage"),
        ("Request parameters are invalid.", "input"),
        ("tool-not-accessible", "model"),
    ],
)
def test_an_invalid_input_names_its_field(message: str, field: str) -> None:
    """The caller learns which field to correct, with Wiro's message."""
    (wrong,) = classify(200, (UpstreamFault(code=0, message=message),)).fields

    assert wrong.field == field
    assert message in wrong.message


def test_every_invalid_input_is_named() -> None:
    """Wiro may list several at once."""
    said = tuple(UpstreamFault(code=0, message=f"Request parameter [{name}] required") for name in ("a", "b"))

    assert classify(200, said).fields == (
        FieldError(field="input.a", message="Request parameter [a] required"),
        FieldError(field="input.b", message="Request parameter [b] required"),
    )


@pytest.mark.parametrize("status", [200, 401])
@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("Project authorization is not founded.", "WIRO_API_KEY"),
        (
            "Project requires signature authentication. x-signature and x-nonce headers are required.",
            "set WIRO_API_SECRET",
        ),
        ("Project authorization is not valid.", "WIRO_API_SECRET belongs to WIRO_API_KEY"),
        ("Requested ip 203.0.113.7 is not allowed.", "allowed addresses"),
    ],
)
def test_rejected_credentials_name_the_setting_to_check(status: int, message: str, words: str) -> None:
    """Each documented message has its own advice, with any HTTP status."""
    refusal = classify(status, (UpstreamFault(code=0, message=message),))

    assert refusal.code is Code.UPSTREAM_REJECTED
    assert words in refusal.detail


def test_an_unknown_401_still_points_to_the_credentials() -> None:
    """The error contains Wiro's message."""
    refusal = classify(401, (UpstreamFault(code=99, message="Authorization bearer token expired."),))

    assert "check WIRO_API_KEY and WIRO_API_SECRET" in refusal.detail
    assert "token expired" in refusal.detail


def test_a_429_is_a_rate_limit_with_its_time() -> None:
    """With or without a message; the retry time is kept."""
    bare = classify(429, (), 7.0)
    spoken = classify(429, (UpstreamFault(code=0, message="Too many requests"),), 7.0)

    assert (bare.code, bare.retry_after_s) == (spoken.code, spoken.retry_after_s) == (Code.RATE_LIMITED, 7.0)


def test_a_long_message_is_cut() -> None:
    """A long text in an error is truncated."""
    (fault,) = parse_errors(["x" * 5000])

    assert len(fault.message) == MESSAGE_CHARS


@pytest.mark.parametrize("status", [200, 402, 403, 429])
def test_a_spend_limit_is_not_retried(status: int) -> None:
    """The run fails at once under any HTTP status, and the message tells the operator what to do."""
    refusal = classify(status, (UpstreamFault(code=96, message="Team spend limit has been reached"),))

    assert not isinstance(refusal, UpstreamFull)
    assert refusal.code is Code.INSUFFICIENT_BALANCE
    assert refusal.detail == "The spend limit of the Wiro team has been reached. Ask the owner of the team to raise it."
