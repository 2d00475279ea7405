"""Redaction of credentials, and the fields of a line."""

import json
import logging
import signal
from pathlib import Path

import pytest
import structlog

from relay.log import is_logged, redact
from tests.shell import Shell, printed


@pytest.mark.parametrize(
    "text",
    [
        "GET /v1/ws?token=s3cret&x=1",
        "Client protocols ['relay.v1', 'relay.token.s3cret'] do not overlap",
        "Authorization: Bearer s3cret",
        "http://x/#key=s3cret",
    ],
)
def test_credentials_are_redacted(text: str) -> None:
    """In a URL, in a subprotocol and in a header."""
    line = redact(structlog.get_logger(), "info", {"event": text, "status": 200})
    assert "s3cret" not in str(line)
    assert line["status"] == 200


def test_other_text_is_unchanged() -> None:
    """Words such as token and bearer are not redacted by themselves."""
    line = {"event": "task.ended", "why": "a token expired; bearers of none"}
    assert redact(structlog.get_logger(), "info", dict(line)) == line


def test_lines_below_the_level_are_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the level is configured, all lines are."""
    logging.getLogger("a-test").setLevel(logging.INFO)
    for configured in (True, False):
        monkeypatch.setattr(structlog, "is_configured", lambda is_so=configured: is_so)
        assert is_logged("a-test", logging.INFO)
        assert is_logged("a-test", logging.DEBUG) is not configured


async def test_a_line_names_its_logger(tmp_path: Path) -> None:
    """Lines of the relay and of libraries have the name of the component that wrote them."""
    settings = {"RELAY_PORT": "0", "RELAY_LOG_FORMAT": "json"}
    async with Shell(tmp_path).started("serve", **settings) as process:
        line = json.loads(await printed(process, r"(.*relay\.started.*)", stream=process.stderr))
        process.send_signal(signal.SIGTERM)
        await process.wait()

    assert (line["logger"], line["level"]) == ("relay", "info")
