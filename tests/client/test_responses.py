"""What the relay answers, parsed, and which answers are errors: responses.py and errors.py."""

import httpx
import pytest

from relay.client import APIError
from relay.client.responses import ATTEMPTS, NOTHING, TOKEN, read, retry_delay_s


def test_the_answer_of_a_proxy_is_an_error_that_says_so() -> None:
    """It is no problem of the relay, and not JSON."""
    with pytest.raises(APIError, match="502 unknown: the response is not from a relay") as caught:
        read(httpx.Response(502, text="<h1>Bad gateway</h1>"), NOTHING)
    assert caught.value.is_temporary


def test_an_error_has_everything_that_the_problem_says() -> None:
    """The fields, the task, the id of the request, and when to try again."""
    body = {"code": "rate_limited", "detail": "Too many.", "task": "t", "errors": [{"field": "a", "message": "b"}]}
    response = httpx.Response(429, json=body, headers={"Retry-After": "7", "X-Request-Id": "r1"})
    with pytest.raises(APIError, match=r"429 rate_limited: Too many\.\n  a: b") as caught:
        read(response, NOTHING)
    problem = caught.value.problem
    assert (problem.task, problem.request_id, problem.retry_after_s) == ("t", "r1", 7.0)


def test_the_failure_of_the_network_is_raised_as_it_is() -> None:
    """It has no response."""
    with pytest.raises(httpx.ReadTimeout):
        read(httpx.ReadTimeout("late"), NOTHING)


def test_no_token_is_in_the_text_of_an_answer() -> None:
    """It might be logged."""
    token = read(httpx.Response(200, json={"token": "secret", "expires_at": 1.0, "links": {"view": "#secret"}}), TOKEN)
    assert "secret" not in repr(token)


@pytest.mark.parametrize(
    ("outcome", "is_repeated"),
    [
        (httpx.ConnectError("refused"), True),
        (httpx.ReadTimeout("late"), True),
        (httpx.UnsupportedProtocol("no scheme"), False),
        (httpx.Response(503, json={"code": "draining"}), True),
        (httpx.Response(502, json={"code": "upstream_unavailable"}), False),
        (httpx.Response(429, json={"code": "rate_limited"}), False),
        (httpx.Response(201), False),
    ],
)
def test_what_may_pass_by_itself_is_repeated_a_few_times(
    outcome: httpx.Response | httpx.TransportError, *, is_repeated: bool
) -> None:
    """Everything else is for the caller."""
    assert (retry_delay_s(1, outcome) is not None) is is_repeated
    assert retry_delay_s(ATTEMPTS, outcome) is None
