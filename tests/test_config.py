"""The settings: where they come from, which values each accepts, and that they reveal no secret."""

import socket
from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from relay.config import Config, load, load_with_origins
from relay.errors import ConfigError

KEY = "a-key-of-twenty-four-ones"
SECRET = "a-token-secret-of-thirty-two-chars"


@pytest.fixture
def nowhere(tmp_path: Path) -> Path:
    """The path of a `.env` file that does not exist."""
    return tmp_path / ".env"


def refusal(environ: dict[str, str], nowhere: Path) -> str:
    """Return the message with which these settings are rejected."""
    with pytest.raises(ConfigError) as caught:
        load(environ, nowhere)
    return str(caught.value)


def test_the_defaults_are_a_relay_on_loopback(nowhere: Path) -> None:
    """Without settings, only this machine can reach the relay."""
    config = load({}, nowhere)

    assert (config.host, config.port, config.store) == ("127.0.0.1", 8080, "sqlite:///relay.db")
    assert config.api_keys == ()
    assert config.loopback


def test_a_dotenv_file_is_read_and_the_environment_overrides_it(tmp_path: Path) -> None:
    """A variable of the process takes precedence over the file."""
    dotenv = tmp_path / ".env"
    dotenv.write_text(f"# ours\nRELAY_PORT=9000\nRELAY_HOST='::1'\nWIRO_API_KEY=from-the-file\nUNRELATED={KEY}\n")

    config = load({"RELAY_PORT": "9001"}, dotenv)

    assert (config.port, config.host) == (9001, "::1")
    assert config.wiro_api_key == SecretStr("from-the-file")


def test_the_dotenv_file_of_the_working_directory_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a path, `.env` in the working directory is read."""
    (tmp_path / ".env").write_text("RELAY_PORT=9000\n")
    monkeypatch.chdir(tmp_path)

    assert load({}).port == 9000


def test_a_dotenv_file_that_is_not_utf_8_is_reported_in_one_line(tmp_path: Path) -> None:
    """The line quotes nothing of the file, which may contain secrets."""
    dotenv = tmp_path / ".env"
    dotenv.write_bytes(b"RELAY_API_KEYS=caf\xe9-and-a-long-enough-key\n")

    line = refusal({}, dotenv)

    assert line.startswith(f"{dotenv} cannot be read as UTF-8 text")
    assert "long-enough" not in line
    assert "\n" not in line


def test_an_unknown_name_is_rejected_in_the_file_and_the_environment(tmp_path: Path) -> None:
    """A misspelt name is an error; all of them are reported at once."""
    dotenv = tmp_path / ".env"
    dotenv.write_text("RELAY_PROT=9000\n")

    lines = refusal({"RELAY_APIKEYS": KEY, "OTHER_NAME": "x"}, dotenv).splitlines()

    assert [line.split(":")[0] for line in lines] == ["RELAY_APIKEYS", "RELAY_PROT"]


def test_all_problems_are_reported_at_once(nowhere: Path) -> None:
    """One line per problem begins with the name of the setting."""
    lines = refusal({"RELAY_PORT": "many", "RELAY_STORE": "mysql:", "RELAY_X": "1"}, nowhere).splitlines()

    assert sorted(line.split(":")[0] for line in lines) == ["RELAY_PORT", "RELAY_STORE", "RELAY_X"]


def test_lists_are_split_at_commas(nowhere: Path) -> None:
    """Spaces and empty parts are ignored."""
    config = load(
        {
            "RELAY_API_KEYS": f"{KEY}-1, {KEY}-2,",
            "RELAY_ALLOWED_ORIGINS": "https://a.example ,https://b.example",
            "RELAY_TRUSTED_PROXIES": "10.0.0.1,10.1.2.3/16",
        },
        nowhere,
    )

    assert [key.get_secret_value() for key in config.api_keys] == [f"{KEY}-1", f"{KEY}-2"]
    assert config.allowed_origins == ("https://a.example", "https://b.example")
    assert config.trusted_proxies == (ip_network("10.0.0.1"), ip_network("10.1.0.0/16"))


def test_a_short_key_is_rejected(nowhere: Path) -> None:
    """A key of 24 characters is accepted; one key of 23 among longer ones is rejected."""
    assert load({"RELAY_API_KEYS": "k" * 24}, nowhere).api_keys == (SecretStr("k" * 24),)

    assert refusal({"RELAY_API_KEYS": f"{KEY},{'k' * 23}"}, nowhere).startswith("RELAY_API_KEYS: ")


def test_a_short_token_secret_is_rejected(nowhere: Path) -> None:
    """HS256 needs 32 bytes; an empty secret counts as not set."""
    assert load({"RELAY_TOKEN_SECRET": "s" * 32}, nowhere).token_secret == SecretStr("s" * 32)
    assert load({"RELAY_TOKEN_SECRET": ""}, nowhere).token_secret is None

    assert refusal({"RELAY_TOKEN_SECRET": "s" * 31}, nowhere).startswith("RELAY_TOKEN_SECRET: ")


@pytest.mark.parametrize(
    "name", ["WIRO_API_KEY", "WIRO_API_SECRET", "APIKLEY_API_KEY", "APIKLEY_WEBHOOK_SECRET", "RELAY_PUBLIC_URL"]
)
def test_an_empty_setting_counts_as_not_set(name: str, nowhere: Path) -> None:
    """`NAME=` in a `.env` or compose file means that the setting is not set."""
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
    config = load({"RELAY_STORE": store}, nowhere)

    assert (config.sqlite_path, config.postgres_dsn, config.store_name) == (path, None, store)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_a_store_is_a_database_whose_password_is_not_shown(scheme: str, nowhere: Path) -> None:
    """Neither the name of the store nor the representation of the settings contains it."""
    dsn = f"{scheme}://relay:hidden@one,two:5433/tasks?sslmode=require&password=hidden"

    config = load({"RELAY_STORE": dsn}, nowhere)

    assert (config.sqlite_path, config.postgres_dsn) == (None, dsn)
    assert config.store_name == f"{scheme}://one,two:5433/tasks"
    assert "hidden" not in repr(config)


@pytest.mark.parametrize("address", ["relay:hidden@[::1/tasks", "relay:hid/den@host/tasks", "host:hidden/tasks"])
def test_an_invalid_address_of_a_database_is_not_quoted(address: str, nowhere: Path) -> None:
    """It may contain a password."""
    assert refusal({"RELAY_STORE": f"postgresql://{address}"}, nowhere) == (
        "RELAY_STORE: not a valid URL of a PostgreSQL database; write special characters of user and password as %2F "
        "and so on"
    )


@pytest.mark.parametrize("store", ["", "relay.db", "sqlite://relay.db", "sqlite:///", "redis://localhost", "memory"])
def test_a_store_of_another_kind_is_rejected(store: str, nowhere: Path) -> None:
    """The message says what is accepted."""
    expected = "RELAY_STORE: use sqlite:///PATH, postgresql://USER@HOST/DATABASE or memory:"

    assert refusal({"RELAY_STORE": store}, nowhere) == expected


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_a_loopback_address_needs_no_keys(host: str, nowhere: Path) -> None:
    """Only this machine can reach it, so the relay generates a key."""
    assert load({"RELAY_HOST": host}, nowhere).loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "relay.example", ""])
def test_an_open_address_needs_keys(host: str, nowhere: Path) -> None:
    """A relay that other machines can reach starts only with a key."""
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
def test_a_value_out_of_range_is_rejected_with_the_name_of_its_setting(name: str, value: str, nowhere: Path) -> None:
    """An invalid value is reported at the start, not in the middle of a task."""
    line = refusal({name: value}, nowhere)

    assert line.startswith(f"{name}: ")
    assert "\n" not in line


SERVICE_LINKS = {
    "RELAY_SERVICE_HOST": "10.96.0.7",
    "RELAY_SERVICE_PORT": "80",
    "RELAY_SERVICE_PORT_HTTP_ALT": "80",
    "RELAY_PORT": "tcp://10.96.0.7:80",
    "RELAY_PORT_80_TCP": "tcp://10.96.0.7:80",
    "RELAY_PORT_80_TCP_PROTO": "tcp",
    "RELAY_PORT_80_TCP_PORT": "80",
    "RELAY_PORT_80_TCP_ADDR": "10.96.0.7",
    "RELAY_WEB_SERVICE_HOST": "fd00::7",
    "RELAY_WEB_PORT": "udp://[fd00::7]:53",
    "RELAY_WEB_PORT_53_UDP": "udp://[fd00::7]:53",
    "RELAY_WEB_2_PORT_9_SCTP_PROTO": "sctp",
}
"""Variables that Kubernetes sets for Services called relay, relay-web and relay-web-2."""


def test_variables_of_kubernetes_for_a_service_called_relay_are_ignored(nowhere: Path) -> None:
    """The relay starts in a namespace with a Service of its name, on its usual port."""
    assert load(SERVICE_LINKS, nowhere) == load({}, nowhere)

    nowhere.write_text("RELAY_PORT=9000\n")
    assert load(SERVICE_LINKS, nowhere).port == 9000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RELAY_SERVICE_HOST", "relay.example"),
        ("RELAY_SERVICE_PORT", "many"),
        ("RELAY_HTTP_PORT", "8080"),
        ("RELAY_PORTS", "tcp://10.96.0.7:80"),
        ("RELAY_PORT", "http://10.96.0.7:80"),
        ("RELAY_PORT_80", "tcp://10.96.0.7:80"),
        ("RELAY_PORT_80_TCP_ADR", "10.96.0.7"),
    ],
)
def test_a_misspelt_setting_that_resembles_kubernetes_is_rejected(name: str, value: str, nowhere: Path) -> None:
    """A name is ignored only with a value that Kubernetes would set."""
    assert refusal({name: value}, nowhere).startswith(f"{name}: ")


def test_a_variable_of_kubernetes_in_a_file_is_rejected(tmp_path: Path) -> None:
    """Kubernetes writes no `.env` file, so it is a mistake there."""
    dotenv = tmp_path / ".env"
    dotenv.write_text("RELAY_SERVICE_HOST=10.96.0.7\n")

    assert refusal({}, dotenv).startswith("RELAY_SERVICE_HOST: ")


@pytest.mark.parametrize("quote", ['"', "'"])
def test_quotes_that_docker_keeps_are_removed(quote: str, nowhere: Path) -> None:
    """`docker --env-file` keeps quotes; a value means the same in both files."""
    written = {
        "RELAY_PORT": "9000",
        "RELAY_API_KEYS": f"{KEY}-1, {KEY}-2",
        "RELAY_TOKEN_SECRET": SECRET,
        "RELAY_STORE": "memory:",
        "RELAY_ALLOWED_ORIGINS": "https://a.example",
        "RELAY_MEDIA_SOURCES": "https://cdn.example http:",
        "WIRO_API_URL": "https://api.example/v1",
        "HTTPS_PROXY": "http://proxy.example:3128",
    }

    assert load({name: f"{quote}{value}{quote}\r" for name, value in written.items()}, nowhere) == load(
        written, nowhere
    )


def test_the_quotes_of_policy_keywords_stay(nowhere: Path) -> None:
    """They are part of the keyword: a quoted `'self'` is written `"'self'"`."""
    for written, read in {
        "'self'": "'self'",
        "\"'self' https://a.example\"": "'self' https://a.example",
        "'self' https://a.example": "'self' https://a.example",
        "'none'": "'none'",
    }.items():
        assert load({"RELAY_FRAME_ANCESTORS": written}, nowhere).frame_ancestors == read


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("RELAY_PUBLIC_URL", "https://me:pass-word@relay.example", "without user name"),
        ("RELAY_PUBLIC_URL", "https://relay.example/?x=1", "query"),
        ("RELAY_PUBLIC_URL", "https://relay.example/#x", "fragment"),
        ("RELAY_PUBLIC_URL", "https://relay.\nexample", "line break"),
        ("RELAY_PUBLIC_URL", "https://*.example", "wildcard"),
        ("RELAY_PUBLIC_URL", "https://relay.example:99999", "port"),
        ("WIRO_API_URL", "api.wiro.ai/v1", "api.wiro.ai/v1 has no scheme; use https://api.wiro.ai/v1, or http://"),
        ("WIRO_API_URL", "", "is not a URL"),
        ("WIRO_API_URL", "https:", "is not a URL"),
        ("WIRO_API_URL", "https://", "invalid host"),
        ("WIRO_API_URL", "https:///v1", "invalid host"),
        ("WIRO_API_URL", "wss://api.wiro.ai/v1", "use https:// or http://"),
        ("WIRO_API_URL", "ftp://api.wiro.ai/v1", "use https:// or http://"),
        ("WIRO_API_URL", "https://api.wiro.ai/v1?key=1", "query"),
        ("WIRO_API_URL", "https://api.wiro.ai/v1#x", "fragment"),
        ("WIRO_API_URL", "https://me:pass-word@api.wiro.ai/v1", "user name or password"),
        ("WIRO_API_URL", "https://api.wiro.ai:99999/v1", "use 1 to 65535"),
        ("WIRO_API_URL", "https://api wiro.ai/v1", "is not a URL"),
        ("WIRO_API_URL", "https://*.wiro.ai/v1", "wildcard"),
        ("WIRO_SOCKET_URL", "https:", "is not a URL; use a URL such as wss://"),
        ("WIRO_SOCKET_URL", "wss:", "is not a URL"),
        ("WIRO_SOCKET_URL", "https://socket.wiro.ai/v1", "use wss:// or ws://"),
        ("WIRO_SOCKET_URL", "socket.wiro.ai:443", "has no scheme; use wss://socket.wiro.ai:443"),
        ("APIKLEY_API_URL", "api.apikley.ru", "has no scheme; use https://api.apikley.ru"),
        ("RELAY_MEDIA_SOURCES", "https:; script-src *", "semicolon"),
        ("RELAY_MEDIA_SOURCES", "https://a.example, https://b.example", "comma"),
        ("RELAY_MEDIA_SOURCES", "https://a.example/x?y", "path that a policy cannot contain"),
        ("RELAY_MEDIA_SOURCES", "https:\nX-Evil: 1", "line break"),
        ("RELAY_MEDIA_SOURCES", "'none'", "leave the value empty"),
        ("RELAY_FRAME_ANCESTORS", "'self'\nhttps://shop.example", "line break"),
        ("RELAY_FRAME_ANCESTORS", "'self'; script-src *", "semicolon"),
        ("RELAY_ALLOWED_ORIGINS", "https://a.exa\nmple", "line break"),
        ("RELAY_HOST", "http://0.0.0.0", "is not a host"),
        ("RELAY_HOST", "*", "is not a host"),
        ("RELAY_HOST", "127.0.0.1:8080", "set the port with RELAY_PORT"),
        ("RELAY_HOST", "127.0.0.1/8", "is not a host"),
        ("RELAY_STORE", "sqlite:///relay\n.db", "line break"),
        ("RELAY_API_KEYS", f"{KEY}\u00e9", "no HTTP header can carry"),
        ("HTTPS_PROXY", "socks5://proxy.example:1080", "socks5 proxies are not supported"),
        ("HTTPS_PROXY", "http://me:pass-word@proxy.example:many", "port many"),
        ("HTTP_PROXY", "http://proxy.example:3128/path", "without path and query"),
        ("HTTP_PROXY", "http://", "invalid host"),
    ],
)
def test_a_value_that_can_never_work_is_rejected_with_the_reason(
    name: str, value: str, said: str, nowhere: Path
) -> None:
    """The message is one line and quotes no password."""
    (line,) = refusal({name: value, "RELAY_PORT": "9000"}, nowhere).splitlines()

    assert line.startswith(f"{name}: ")
    assert said in line
    assert "pass-word" not in line


def test_unusual_values_that_work_are_accepted(nowhere: Path) -> None:
    """Brackets around an address, a path in a media source, a list on several lines, a proxy without a scheme."""
    config = load(
        {
            "RELAY_HOST": "[::1]",
            "RELAY_API_KEYS": f"{KEY}-1,\n{KEY}-2\n",
            "RELAY_MEDIA_SOURCES": "data: https://CDN.example/pictures/ 'self'",
            "WIRO_API_URL": "HTTPS://api.wiro.ai/v1/",
            "WIRO_SOCKET_URL": "ws://wiro_mock:8090",
            "https_proxy": "proxy.example:3128",
            "HTTPS_PROXY": "http://other.example:3128",
        },
        nowhere,
    )

    assert config.host == "::1"
    assert len(config.api_keys) == 2
    assert config.media_sources == "data: https://cdn.example/pictures/ 'self'"
    assert str(config.https_proxy) == "http://proxy.example:3128"
    assert load({"RELAY_MEDIA_SOURCES": ""}, nowhere).media_sources == ""


def test_no_secret_is_in_the_representation(nowhere: Path) -> None:
    """Logging the settings reveals no secret."""
    secrets = {
        "RELAY_API_KEYS": KEY,
        "RELAY_TOKEN_SECRET": SECRET,
        "WIRO_API_KEY": "the-wiro-key",
        "WIRO_API_SECRET": "the-wiro-secret",
    }
    config = load(secrets | {"HTTPS_PROXY": "http://me:the-proxy-word@proxy.example"}, nowhere)

    for secret in (*secrets.values(), "the-proxy-word"):
        assert secret not in repr(config)
        assert secret not in str(config)


@pytest.mark.parametrize(
    ("name", "secret"), [("RELAY_API_KEYS", "short-secret"), ("RELAY_TOKEN_SECRET", "another-short-secret")]
)
def test_no_secret_is_in_an_error(name: str, secret: str, nowhere: Path) -> None:
    """A rejected secret is not printed, because the output may be logged."""
    assert secret not in refusal({name: secret}, nowhere)
    with pytest.raises(ValidationError) as caught:
        Config.model_validate({name: secret})
    assert secret not in str(caught.value)
    assert KEY not in refusal({"RELAY_API_KEYS": KEY, "RELAY_PORT": "many"}, nowhere)


@pytest.mark.parametrize(
    ("name", "value", "plain"),
    [
        ("RELAY_BODY_LIMIT", "512KiB", "524288"),
        ("RELAY_BODY_LIMIT", "16 MiB", "16777216"),
        ("RELAY_FILE_LIMIT", "1GB", "1000000000"),
        ("RELAY_DRAIN", "500ms", "0.5"),
        ("RELAY_DRAIN", "30s", "30"),
        ("RELAY_DRAIN", "1.1min", "66"),
        ("RELAY_HISTORY_AGE", "30d", "2592000"),
        ("RELAY_TOKEN_TTL", "12h", "43200"),
        ("RELAY_MESSAGE_RATE", "20/s", "20"),
        ("RELAY_MESSAGE_RATE", "90/min", "1.5"),
        ("RELAY_START_RATE", "20/s", "1200"),
        ("RELAY_MINT_RATE", "1200/min", "1200"),
        ("RELAY_CANCEL_RATE", "120/h", "2"),
    ],
)
def test_a_value_with_a_unit_means_the_same_as_a_plain_number(name: str, value: str, plain: str, nowhere: Path) -> None:
    """Sizes in bytes, durations in seconds, rates per second or per minute."""
    assert load({name: value}, nowhere) == load({name: plain}, nowhere)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("RELAY_BODY_LIMIT", "16 parsecs", "use a size such as 16MiB, or a number of bytes"),
        ("RELAY_DRAIN", "1 year", "use a duration such as 30s, 5min, 12h or 7d, or a number of seconds"),
        ("RELAY_DRAIN", "20/s", "use a duration such as 30s, 5min, 12h or 7d, or a number of seconds"),
        ("RELAY_DRAIN", "s", "use a duration such as 30s, 5min, 12h or 7d, or a number of seconds"),
        ("RELAY_MESSAGE_RATE", "20/d", "use a rate such as 20/s, or a number per second"),
        ("RELAY_START_RATE", "30s", "use a rate such as 20/s or 1200/min, or a number per minute"),
    ],
)
def test_a_value_with_another_unit_is_rejected(name: str, value: str, expected: str, nowhere: Path) -> None:
    """The message has an example of an accepted value."""
    assert refusal({name: value}, nowhere) == f"{name}: {expected}"


@pytest.mark.parametrize(("name", "value"), [("RELAY_START_RATE", "1/h"), ("RELAY_TOKEN_TTL", "1.5s")])
def test_a_unit_does_not_hide_a_fraction(name: str, value: str, nowhere: Path) -> None:
    """A setting that is a whole number stays one."""
    assert "fractional part" in refusal({name: value}, nowhere)


def test_a_node_is_named_after_its_host_unless_it_has_a_name(nowhere: Path) -> None:
    """A name goes into logs, lists and responses."""
    assert load({}, nowhere).node_name == socket.gethostname()
    assert load({"RELAY_NODE": "eu-1.a"}, nowhere).node_name == "eu-1.a"
    assert refusal({"RELAY_NODE": "a b"}, nowhere).startswith("RELAY_NODE")


def test_a_cell_is_a_short_prefix(nowhere: Path) -> None:
    """It becomes part of URLs."""
    assert load({"RELAY_CELL": ""}, nowhere).cell is None
    assert load({"RELAY_CELL": "eu1"}, nowhere).cell == "eu1"
    for cell in ("EU", "eu-1", "x" * 17):
        assert refusal({"RELAY_CELL": cell}, nowhere).startswith("RELAY_CELL")


def test_the_spool_is_next_to_the_store_unless_it_has_its_own_place(nowhere: Path) -> None:
    """Several nodes may share a directory."""
    assert load({}, nowhere).spool_path == Path("relay.db.spool")
    assert load({"RELAY_SPOOL": "/mnt/spool", "RELAY_STORE": "memory:"}, nowhere).spool_path == Path("/mnt/spool")


WEBHOOK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_webhooks_are_received_by_urls_and_signed_with_secrets(nowhere: Path) -> None:
    """Several of each; the secrets and the URLs, which may contain one, are in no repr."""
    config = load(
        {
            "RELAY_WEBHOOK_URL": "https://a.example/x?token=hidden, http://10.0.0.1:9000/,https://a.example/x?token=hidden",
            "RELAY_WEBHOOK_SECRET": f"{WEBHOOK_SECRET},whsec_{'A' * 40}",
            "RELAY_WEBHOOK_HOSTS": "Hooks.Example.com, *.example.org:8443",
        },
        nowhere,
    )

    assert config.webhook_urls == ("https://a.example/x?token=hidden", "http://10.0.0.1:9000/")
    assert config.webhook_hosts == ("hooks.example.com:443", "*.example.org:8443")
    assert [len(key) for key in config.webhook_keys] == [24, 30]
    assert "hidden" not in repr(config)
    assert WEBHOOK_SECRET not in repr(config)


@pytest.mark.parametrize(
    ("environ", "reason"),
    [
        ({"RELAY_WEBHOOK_URL": "https://a.example/"}, "RELAY_WEBHOOK_SECRET must be set"),
        ({"RELAY_WEBHOOK_HOSTS": "a.example"}, "RELAY_WEBHOOK_SECRET must be set"),
        ({"RELAY_WEBHOOK_SECRET": "short"}, "RELAY_WEBHOOK_SECRET: does not begin with whsec_"),
        (
            {"RELAY_WEBHOOK_URL": "https://user:pw@a.example/", "RELAY_WEBHOOK_SECRET": WEBHOOK_SECRET},
            "RELAY_WEBHOOK_URL: use http:// or https://",
        ),
        (
            {"RELAY_WEBHOOK_HOSTS": "*", "RELAY_WEBHOOK_SECRET": WEBHOOK_SECRET},
            "RELAY_WEBHOOK_HOSTS: * is not a host",
        ),
    ],
)
def test_webhook_settings_that_cannot_work_are_rejected(environ: dict[str, str], reason: str, nowhere: Path) -> None:
    """With the reason, which quotes no secret."""
    line = refusal(environ, nowhere)

    assert reason in line
    assert "pw" not in line


def test_a_setting_may_be_in_a_file(tmp_path: Path) -> None:
    """`NAME_FILE` names it, in the environment or in `.env`. Line ends at its end are removed, quotes are kept."""
    key, level, dotenv = tmp_path / "key", tmp_path / "level", tmp_path / ".env"
    key.write_text(f"'{KEY}'\r\n\n")
    level.write_text("debug")
    dotenv.write_text(f"RELAY_LOG_LEVEL_FILE={level}\nRELAY_TOKEN_SECRET=\n")

    config, files = load_with_origins(
        {"RELAY_API_KEYS_FILE": f'"{key}"', "WIRO_API_KEY_FILE": "", "RELAY_PORT": "9000"}, dotenv
    )

    assert config.api_keys == (SecretStr(f"'{KEY}'"),)
    assert (config.log_level, config.wiro_api_key) == ("debug", None)
    assert files == {
        "RELAY_API_KEYS": key,
        "RELAY_LOG_LEVEL": level,
        "RELAY_TOKEN_SECRET": dotenv,
        "RELAY_PORT": None,
    }


def test_problems_with_files_are_reported_with_the_others(tmp_path: Path, nowhere: Path) -> None:
    """A file that cannot be read, a setting that is also set directly, and a name that is not a setting."""
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff" * 32)
    environ = {
        "RELAY_TOKEN_SECRET_FILE": str(binary),
        "RELAY_API_KEYS_FILE": str(tmp_path),
        "RELAY_API_KEYS": KEY,
        "WIRO_API_KEY_FILE": str(tmp_path / "missing"),
        "RELAY_KEYS_FILE": str(binary),
        "RELAY_PORT": "many",
    }

    problems = dict(line.split(": ", 1) for line in refusal(environ, nowhere).splitlines())

    assert set(problems) == environ.keys() - {"RELAY_API_KEYS"}
    assert problems["RELAY_TOKEN_SECRET_FILE"] == f"{binary} is not UTF-8 text"
    assert problems["RELAY_API_KEYS_FILE"] == "RELAY_API_KEYS is set too; set one of them"
    assert problems["WIRO_API_KEY_FILE"] == f"cannot read {tmp_path / 'missing'}: No such file or directory"


def test_an_empty_setting_may_be_in_a_file_as_well(tmp_path: Path, nowhere: Path) -> None:
    """A compose file sets variables to the empty text if their value is not known."""
    (tmp_path / "key").write_text(KEY)

    assert load({"RELAY_API_KEYS": "", "RELAY_API_KEYS_FILE": str(tmp_path / "key")}, nowhere).api_keys
