"""The settings: where they come from, what each takes, and that no secret leaves them."""

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from relay.config import Config, load
from relay.errors import ConfigError

KEY = "a-key-of-twenty-four-ones"
SECRET = "a-token-secret-of-thirty-two-chars"


@pytest.fixture
def nowhere(tmp_path: Path) -> Path:
    """A .env file that is not there."""
    return tmp_path / ".env"


def refusal(environ: dict[str, str], nowhere: Path) -> str:
    """Return what the settings are refused with."""
    with pytest.raises(ConfigError) as caught:
        load(environ, nowhere)
    return str(caught.value)


def test_nothing_set_gives_a_relay_on_loopback(nowhere: Path) -> None:
    """The defaults suit one small machine, and let nobody else in."""
    config = load({}, nowhere)

    assert (config.host, config.port, config.store) == ("127.0.0.1", 8080, "sqlite:///relay.db")
    assert config.api_keys == ()
    assert config.loopback


def test_a_dotenv_file_is_read_and_the_environment_overrides_it(tmp_path: Path) -> None:
    """A file beside the project holds the settings; what is set for this one process wins."""
    dotenv = tmp_path / ".env"
    dotenv.write_text(f"# ours\nRELAY_PORT=9000\nRELAY_HOST='::1'\nWIRO_API_KEY=from-the-file\nUNRELATED={KEY}\n")

    config = load({"RELAY_PORT": "9001"}, dotenv)

    assert (config.port, config.host) == (9001, "::1")
    assert config.wiro_api_key == SecretStr("from-the-file")


def test_the_dotenv_file_of_the_working_directory_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a path it is `.env` where the command was started."""
    (tmp_path / ".env").write_text("RELAY_PORT=9000\n")
    monkeypatch.chdir(tmp_path)

    assert load({}).port == 9000


def test_a_dotenv_file_that_is_no_text_is_told_in_one_line(tmp_path: Path) -> None:
    """Without a word of what is in it: that may be a secret."""
    dotenv = tmp_path / ".env"
    dotenv.write_bytes(b"RELAY_API_KEYS=caf\xe9-and-a-long-enough-key\n")

    line = refusal({}, dotenv)

    assert line.startswith(f"{dotenv}: ")
    assert "long-enough" not in line
    assert "\n" not in line


def test_an_unknown_name_is_refused_wherever_it_stands(tmp_path: Path) -> None:
    """A slip in a name is an error and no shrug, in the file and in the environment; all are told at once."""
    dotenv = tmp_path / ".env"
    dotenv.write_text("RELAY_PROT=9000\n")

    lines = refusal({"RELAY_APIKEYS": KEY, "OTHER_NAME": "x"}, dotenv).splitlines()

    assert [line.split(":")[0] for line in lines] == ["RELAY_APIKEYS", "RELAY_PROT"]


def test_everything_that_is_wrong_is_told_at_once(nowhere: Path) -> None:
    """One line for each, led by its name."""
    lines = refusal({"RELAY_PORT": "many", "RELAY_STORE": "mysql:", "RELAY_X": "1"}, nowhere).splitlines()

    assert sorted(line.split(":")[0] for line in lines) == ["RELAY_PORT", "RELAY_STORE", "RELAY_X"]


def test_lists_are_split_at_commas(nowhere: Path) -> None:
    """Spaces and empty parts are nothing."""
    config = load(
        {
            "RELAY_API_KEYS": f"{KEY}-1, {KEY}-2,",
            "RELAY_ALLOWED_ORIGINS": "https://a.example ,https://b.example",
            "RELAY_TRUSTED_PROXIES": "10.0.0.1",
        },
        nowhere,
    )

    assert [key.get_secret_value() for key in config.api_keys] == [f"{KEY}-1", f"{KEY}-2"]
    assert config.allowed_origins == ("https://a.example", "https://b.example")
    assert config.trusted_proxies == ("10.0.0.1",)


def test_a_short_key_is_refused(nowhere: Path) -> None:
    """A key of 24 characters passes, one of 23 can be guessed; one short key among good ones is enough."""
    assert load({"RELAY_API_KEYS": "k" * 24}, nowhere).api_keys == (SecretStr("k" * 24),)

    assert refusal({"RELAY_API_KEYS": f"{KEY},{'k' * 23}"}, nowhere).startswith("RELAY_API_KEYS: ")


def test_a_short_token_secret_is_refused(nowhere: Path) -> None:
    """HS256 wants 32 bytes; an empty one counts as not set."""
    assert load({"RELAY_TOKEN_SECRET": "s" * 32}, nowhere).token_secret == SecretStr("s" * 32)
    assert load({"RELAY_TOKEN_SECRET": ""}, nowhere).token_secret is None

    assert refusal({"RELAY_TOKEN_SECRET": "s" * 31}, nowhere).startswith("RELAY_TOKEN_SECRET: ")


@pytest.mark.parametrize(
    "name", ["WIRO_API_KEY", "WIRO_API_SECRET", "APIKLEY_API_KEY", "APIKLEY_WEBHOOK_SECRET", "RELAY_PUBLIC_URL"]
)
def test_an_empty_setting_counts_as_not_set(name: str, nowhere: Path) -> None:
    """`NAME=` in a file or a compose file means none, not an empty key."""
    config = load({name: ""}, nowhere)

    (field,) = (field for field, info in Config.model_fields.items() if info.alias == name)
    assert getattr(config, field) is None


@pytest.mark.parametrize(
    ("store", "path"),
    [
        ("memory:", None),
        ("sqlite:///relay.db", Path("relay.db")),
        ("sqlite:////var/lib/relay.db", Path("/var/lib/relay.db")),
    ],
)
def test_a_store_is_in_memory_or_a_file(store: str, path: Path | None, nowhere: Path) -> None:
    """Three slashes begin a relative path, four an absolute one."""
    assert load({"RELAY_STORE": store}, nowhere).sqlite_path == path


@pytest.mark.parametrize("store", ["", "relay.db", "sqlite://relay.db", "sqlite:///", "redis://localhost", "memory"])
def test_a_store_of_another_kind_is_refused(store: str, nowhere: Path) -> None:
    """The refusal says what it takes."""
    assert refusal({"RELAY_STORE": store}, nowhere) == "RELAY_STORE: use sqlite:///PATH or memory:"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_a_loopback_address_needs_no_keys(host: str, nowhere: Path) -> None:
    """Only this machine can reach it: a key is made."""
    assert load({"RELAY_HOST": host}, nowhere).loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "relay.example", ""])
def test_an_open_address_needs_keys(host: str, nowhere: Path) -> None:
    """A relay that others can reach does not start without keys, and does with them."""
    assert "RELAY_API_KEYS must be set" in refusal({"RELAY_HOST": host}, nowhere)

    assert load({"RELAY_HOST": host, "RELAY_API_KEYS": KEY}, nowhere).host == host


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RELAY_PORT", "-1"),
        ("RELAY_PORT", "65536"),
        ("RELAY_PORT", ""),
        ("RELAY_TOKEN_TTL", "0"),
        ("RELAY_PUBLIC_URL", "relay.example"),
        ("RELAY_PUBLIC_URL", "ftp://relay.example"),
        ("RELAY_LOG_FORMAT", "xml"),
        ("RELAY_LOG_LEVEL", "loud"),
        ("RELAY_BODY_LIMIT", "1023"),
        ("RELAY_CONNECTION_LIMIT", "0"),
        ("RELAY_SUBSCRIPTION_LIMIT", "0"),
        ("RELAY_ADDRESS_LIMIT", "0"),
        ("RELAY_MESSAGE_RATE", "0"),
        ("RELAY_IDLE_TIMEOUT", "0"),
        ("RELAY_BODY_TIMEOUT", "0"),
        ("RELAY_START_RATE", "0"),
        ("RELAY_MINT_RATE", "0"),
        ("RELAY_HISTORY_BYTES", "1"),
        ("RELAY_HISTORY_AGE", "-1"),
        ("RELAY_STORE_LIMIT", "1"),
        ("RELAY_HISTORY_EVENTS", "499"),
        ("RELAY_REQUEST_TIMEOUT", "0"),
        ("RELAY_TASK_DEADLINE", "0"),
        ("RELAY_SILENCE", "0"),
        ("RELAY_DRAIN", "-1"),
        ("RELAY_DRAIN", "inf"),
        ("RELAY_IDLE_TIMEOUT", "nan"),
    ],
)
def test_a_value_out_of_its_range_is_refused_by_its_name(name: str, value: str, nowhere: Path) -> None:
    """Whatever is set wrongly is found at the start and not in the middle of a task."""
    line = refusal({name: value}, nowhere)

    assert line.startswith(f"{name}: ")
    assert "\n" not in line


def test_no_secret_is_in_the_representation(nowhere: Path) -> None:
    """Whoever logs the settings logs no secret."""
    secrets = {
        "RELAY_API_KEYS": KEY,
        "RELAY_TOKEN_SECRET": SECRET,
        "WIRO_API_KEY": "the-wiro-key",
        "WIRO_API_SECRET": "the-wiro-secret",
    }
    config = load(secrets, nowhere)

    for secret in secrets.values():
        assert secret not in repr(config)
        assert secret not in str(config)


@pytest.mark.parametrize(
    ("name", "secret"), [("RELAY_API_KEYS", "short-secret"), ("RELAY_TOKEN_SECRET", "another-short-secret")]
)
def test_no_secret_is_in_a_refusal(name: str, secret: str, nowhere: Path) -> None:
    """A secret that is refused is not printed: the terminal may be a log, too."""
    assert secret not in refusal({name: secret}, nowhere)
    with pytest.raises(ValidationError) as caught:
        Config.model_validate({name: secret})
    assert secret not in str(caught.value)
    assert KEY not in refusal({"RELAY_API_KEYS": KEY, "RELAY_PORT": "many"}, nowhere)
