"""What the log must not hold."""

import pytest
import structlog

from relay.log import redact


@pytest.mark.parametrize(
    "text",
    [
        "GET /v1/ws?token=s3cret&x=1",
        "Client protocols ['relay.v1', 'relay.token.s3cret'] do not overlap",
        "Authorization: Bearer s3cret",
        "http://x/#key=s3cret",
    ],
)
def test_credentials_are_cut_out_of_whatever_quotes_them(text: str) -> None:
    """In an address, as a subprotocol, in a header."""
    line = redact(structlog.get_logger(), "info", {"event": text, "status": 200})
    assert "s3cret" not in str(line)
    assert line["status"] == 200


def test_other_text_stays() -> None:
    """Nothing is cut on suspicion."""
    line = {"event": "task.ended", "why": "a token expired; bearers of none"}
    assert redact(structlog.get_logger(), "info", dict(line)) == line
