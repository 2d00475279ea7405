"""`relay config`: the settings in effect, where they come from, and no secret."""

import json
from pathlib import Path

import pytest

from tests.preloaded import Preloaded
from tests.shell import Shell, one_line

KEY = "a-key-of-twenty-four-ones"


@pytest.fixture
def shell(tmp_path: Path, preloaded: Preloaded) -> Shell:
    return Shell(tmp_path, preloaded)


async def test_each_value_is_printed_with_its_origin(shell: Shell) -> None:
    """As a table and as JSON: defaults, the environment, the `.env` file, and a file of its own."""
    secret, dotenv = shell.folder / "wiro-secret", shell.folder / ".env"
    secret.write_text("hidden-secret\n")
    dotenv.write_text(f"RELAY_PORT=9000\nRELAY_LOG_LEVEL=error\nWIRO_API_SECRET_FILE={secret}\n")
    given = {
        "RELAY_LOG_LEVEL": "debug",
        "RELAY_API_KEYS": f"{KEY},{KEY}-2",
        "RELAY_STORE": "postgresql://relay:hidden@db.example/relay",
        "HTTPS_PROXY": "http://user:hidden@proxy.example:3128",
    }

    table = await shell.run("config", **given)
    parsed = await shell.run("config", "--json", **given)

    assert (table.code, parsed.code) == (0, 0), table.err + parsed.err
    lines = {line.split()[0]: line.split()[1:] for line in table.out.splitlines()}
    assert lines["RELAY_HOST"] == ["127.0.0.1", "default"]
    assert lines["RELAY_PORT"] == ["9000", str(dotenv)]
    assert lines["RELAY_LOG_LEVEL"] == ["debug", "environment"]
    assert lines["WIRO_API_SECRET"] == ["**********", str(secret)]
    assert lines["RELAY_API_KEYS"] == ["(no", "name)", "(admin),", "(no", "name)", "(admin)", "environment"]
    assert lines["RELAY_STORE"] == ["postgresql://db.example/relay", "environment"]
    found = json.loads(parsed.out)
    assert list(found) == list(lines)
    assert found["RELAY_PORT"] == {"value": 9000, "origin": "file", "file": str(dotenv)}
    assert found["RELAY_API_KEYS"]["value"] == ["(no name) (admin)", "(no name) (admin)"]
    assert found["RELAY_NODE"] == {"value": None, "origin": "default", "file": None}
    for text in (table.out, parsed.out):
        assert "hidden" not in text
        assert KEY not in text


async def test_an_invalid_setting_is_reported(shell: Shell) -> None:
    """In one line, with exit code 1."""
    ended = await shell.run("config", RELAY_API_KEYS_FILE="missing")

    assert ended.code == 1
    assert one_line(ended) == "relay: RELAY_API_KEYS_FILE: cannot read missing: No such file or directory"
