"""The commands as real processes: what they print, and their exit codes."""

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from relay.sandbox import Sandbox
from tests.preloaded import Preloaded
from tests.shell import Shell, one_line, printed, stopped

KEY = "a-key-for-the-command-line"


@pytest.fixture
def shell(tmp_path: Path, preloaded: Preloaded) -> Shell:
    return Shell(tmp_path, preloaded)


@pytest.fixture
def upstream(sandbox: Sandbox) -> dict[str, str]:
    """Return the settings that point a relay at the sandbox."""
    return {
        "WIRO_API_KEY": sandbox.api_key,
        "WIRO_API_SECRET": sandbox.api_secret or "",
        "WIRO_API_URL": sandbox.api_url,
        "WIRO_SOCKET_URL": sandbox.socket_url,
    }


async def test_help_names_every_command(shell: Shell) -> None:
    """`relay --help` lists all of them."""
    ended = await shell.run("--help")

    assert ended.code == 0
    for name in ("serve", "demo", "sandbox", "check", "token"):
        assert re.search(rf"\b{name}\b", ended.out)


def test_the_options_are_parsed_without_loading_what_the_commands_run() -> None:
    """`relay --help` and shell completion answer at once."""
    loaded = "import sys, relay.cli.main; print({'aiohttp', 'relay.app', 'relay.sandbox'} & {*sys.modules})"
    ended = subprocess.run([sys.executable, "-c", loaded], capture_output=True, check=True, text=True)

    assert ended.stdout == "set()\n"


async def test_the_version_is_printed(shell: Shell) -> None:
    """`relay --version` prints one line."""
    ended = await shell.run("--version")

    assert (ended.code, ended.err) == (0, "")
    assert re.fullmatch(r"relay \S+\n", ended.out)


@pytest.mark.parametrize(
    "arguments", [("serve", "--nonsense"), ("nonsense",), ("token",), ("demo", "--port", "many")], ids=" ".join
)
async def test_wrong_usage_exits_with_2(arguments: tuple[str, ...], shell: Shell) -> None:
    """Nothing is started."""
    ended = await shell.run(*arguments)

    assert ended.code == 2
    assert "Traceback" not in ended.err


async def test_an_unknown_setting_prints_one_line_and_exits_with_1(shell: Shell) -> None:
    """The line names the setting; there is no traceback."""
    ended = await shell.run("serve", RELAY_PROT="8080")

    assert ended.code == 1
    assert "RELAY_PROT" in one_line(ended)


@pytest.mark.parametrize("level", ["info", "debug"])
async def test_it_starts_beside_a_kubernetes_service_of_its_name(level: str, shell: Shell) -> None:
    """The variables that Kubernetes sets are ignored, and logged at the debug level only."""
    links = {"RELAY_SERVICE_HOST": "10.96.0.7", "RELAY_SERVICE_PORT": "80", "RELAY_PORT": "tcp://10.96.0.7:80"}
    (shell.folder / ".env").write_text("RELAY_PORT=0\n")
    async with shell.started("serve", RELAY_LOG_LEVEL=level, **links) as process:
        await printed(process, r"(listens) on")
        process.send_signal(signal.SIGTERM)
        _, err = await process.communicate()

    assert process.returncode == 0
    assert (b"settings.ignored" in err) == (level == "debug")
    assert (b"RELAY_SERVICE_HOST" in err) == (level == "debug")


async def test_an_open_address_without_keys_is_rejected(shell: Shell) -> None:
    """A relay without a key is never reachable from other machines."""
    ended = await shell.run("serve", RELAY_HOST="0.0.0.0", RELAY_PORT="0")

    assert ended.code == 1
    assert "RELAY_API_KEYS" in one_line(ended)


@pytest.mark.parametrize("arguments", [("serve",), ("demo", "--no-open"), ("sandbox",)], ids=" ".join)
async def test_a_port_in_use_prints_one_line_and_exits_with_1(arguments: tuple[str, ...], shell: Shell) -> None:
    """The line names the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        if arguments == ("serve",):
            ended = await shell.run(*arguments, RELAY_PORT=port, RELAY_LOG_LEVEL="warning")
        else:
            ended = await shell.run(*arguments, "--port", port)

    assert ended.code == 1
    assert port in one_line(ended)


async def test_a_second_relay_on_one_store_prints_one_line_and_exits_with_1(shell: Shell) -> None:
    """The second relay does not start, and the first continues."""
    async with shell.started("serve", RELAY_PORT="0") as first:
        url = await printed(first, r"listens on (\S+)")

        second = await shell.run("serve", RELAY_PORT="0", RELAY_LOG_LEVEL="warning")

        assert second.code == 1
        assert "relay.db" in one_line(second)
        async with aiohttp.ClientSession() as client, client.get(f"{url}/readyz") as answer:
            assert answer.status == 200


async def test_a_key_is_generated_once_and_printed_with_the_dashboard(shell: Shell) -> None:
    """Without a key, a relay on loopback generates one, keeps it, and accepts it."""
    async with shell.started("serve", RELAY_PORT="0") as process:
        url = await printed(process, r"listens on (\S+)")
        key = await printed(process, r"RELAY_API_KEYS is not set\): (\S+)")
        link = await printed(process, r"Dashboard.*: (http\S+)$")
        address, _, code = link.partition("#code=")
        assert (address, key in link) == (f"{url}/", False)
        async with aiohttp.ClientSession() as page, page.post(f"{url}/v1/login", json={"code": code}) as answer:
            assert await answer.json() == {"key": key}
        headers = {"Authorization": f"Bearer {key}"}
        async with aiohttp.ClientSession(headers=headers) as client, client.get(f"{url}/v1/tasks") as answer:
            assert answer.status == 200
        assert await stopped(process, signal.SIGTERM) == 0
    async with shell.started("serve", RELAY_PORT="0") as process:
        assert await printed(process, r"RELAY_API_KEYS is not set\): (\S+)") == key


async def test_a_key_that_was_set_is_not_printed(shell: Shell) -> None:
    """The operator knows it, and the output may be logged."""
    async with shell.started("serve", RELAY_PORT="0", RELAY_API_KEYS=KEY) as process:
        await printed(process, r"(listens) on")
        process.send_signal(signal.SIGTERM)
        out, err = await process.communicate()

    assert KEY.encode() not in out + err


async def test_sigterm_drains_viewers_and_exits_with_0(
    shell: Shell, sandbox: Sandbox, upstream: dict[str, str]
) -> None:
    """Open streams are closed with a request to reconnect."""
    sandbox.next_run(hold_at="task_queue")
    headers = {"Authorization": f"Bearer {KEY}"}
    async with (
        shell.started("serve", RELAY_PORT="0", RELAY_API_KEYS=KEY, RELAY_DRAIN="2", **upstream) as process,
        aiohttp.ClientSession(await printed(process, r"listens on (\S+)"), headers=headers) as client,
    ):
        task = await begun(client)
        async with (
            client.ws_connect(f"/v1/tasks/{task}/ws") as over_socket,
            client.get(f"/v1/tasks/{task}/events", headers={"Accept": "text/event-stream"}) as over_stream,
        ):
            assert (await over_socket.receive_json())["type"] == "snapshot"
            await over_stream.content.readuntil(b'"snapshot"')

            process.send_signal(signal.SIGTERM)

            while (message := await over_socket.receive()).type is aiohttp.WSMsgType.TEXT:
                pass
            assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 4001)
            await over_stream.content.read()
        _, err = await process.communicate()

    assert process.returncode == 0
    assert b"Traceback" not in err


async def test_ctrl_c_exits_with_130(shell: Shell) -> None:
    """There is no traceback."""
    async with shell.started("serve", RELAY_PORT="0") as process:
        await printed(process, r"(listens) on")
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()

    assert process.returncode == 130
    assert b"Traceback" not in err


async def test_a_minted_token_opens_its_task_and_no_other(
    shell: Shell, sandbox: Sandbox, upstream: dict[str, str]
) -> None:
    """`relay token` works beside a running relay; its token allows only its task and scope."""
    headers = {"Authorization": f"Bearer {KEY}"}
    async with (
        shell.started("serve", RELAY_PORT="0", RELAY_API_KEYS=KEY, **upstream) as process,
        aiohttp.ClientSession(await printed(process, r"listens on (\S+)")) as client,
    ):
        task, other = await begun(client, headers), await begun(client, headers)

        ended = await shell.run("token", task, RELAY_API_KEYS=KEY)

        token, link = ended.out.split()
        assert ended.code == 0
        assert link == f"/t/{task}#token={token}"
        bearer = {"Authorization": f"Bearer {token}"}
        for path, status in ((task, 200), (other, 403), (f"{task}/input", 403)):
            async with client.get(f"/v1/tasks/{path}", headers=bearer) as answer:
                assert answer.status == status


async def test_a_minted_token_has_the_requested_scope(shell: Shell, sandbox: Sandbox, upstream: dict[str, str]) -> None:
    """A token may have several scopes, and its link has the public URL."""
    headers = {"Authorization": f"Bearer {KEY}"}
    async with (
        shell.started("serve", RELAY_PORT="0", RELAY_API_KEYS=KEY, **upstream) as process,
        aiohttp.ClientSession(await printed(process, r"listens on (\S+)")) as client,
    ):
        task = await begun(client, headers)

        public = {"RELAY_PUBLIC_URL": "https://relay.example/", "RELAY_API_KEYS": KEY}
        ended = await shell.run("token", task, "--scope", "view input", "--ttl", "60", **public)

        token, link = ended.out.split()
        assert link == f"https://relay.example/t/{task}#token={token}"
        bearer = {"Authorization": f"Bearer {token}"}
        async with client.get(f"/v1/tasks/{task}/input", headers=bearer) as answer:
            assert (await answer.json())["input"] == {"prompt": "A lake."}


@pytest.mark.parametrize("arguments", [("--scope", "own"), ("--scope", ""), ("--ttl", "0")], ids=" ".join)
async def test_an_unknown_scope_or_an_invalid_lifetime_is_wrong_usage(arguments: tuple[str, ...], shell: Shell) -> None:
    """No token is printed."""
    ended = await shell.run("token", "some-task", *arguments)

    assert (ended.code, ended.out) == (2, "")


async def test_no_token_is_minted_without_a_shared_secret(shell: Shell) -> None:
    """A store in memory has no secret that a running relay knows."""
    ended = await shell.run("token", "some-task", RELAY_STORE="memory:")

    assert ended.code == 1
    assert "RELAY_TOKEN_SECRET" in one_line(ended)


async def test_a_token_is_minted_only_for_an_existing_task(shell: Shell, upstream: dict[str, str]) -> None:
    """Without a store there is no secret; a store without the task has nothing to open."""
    without = await shell.run("token", "some-task")
    async with shell.started("serve", RELAY_PORT="0", RELAY_API_KEYS=KEY, **upstream) as process:
        await printed(process, r"listens on (\S+)")
        unknown = await shell.run("token", "some-task", RELAY_API_KEYS=KEY)

    assert (without.code, unknown.code) == (1, 1)
    assert "there is no store" in one_line(without)
    assert "there is no task some-task" in one_line(unknown)


async def test_check_accepts_a_valid_setup_and_hides_secrets(shell: Shell, upstream: dict[str, str]) -> None:
    """It prints the value of every setting, and no secret."""
    secrets = {
        "RELAY_API_KEYS": KEY,
        "RELAY_TOKEN_SECRET": "a-secret-of-more-than-32-characters",
        "RELAY_WEBHOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    }

    ended = await shell.run("check", **upstream, **secrets, RELAY_WEBHOOK_URL="https://a.example/hook?token=hidden")

    assert (ended.code, ended.err) == (0, "")
    assert re.search(r"RELAY_WEBHOOK_URL +https://a.example:443\n", ended.out)
    assert [*shell.folder.iterdir()] == []  # it creates no store; `relay serve` does
    assert re.search(rf"WIRO_API_URL +{re.escape(upstream['WIRO_API_URL'])}\n", ended.out)
    assert re.search(r"RELAY_PORT +8080\n", ended.out)
    for secret in (*secrets.values(), upstream["WIRO_API_KEY"], upstream["WIRO_API_SECRET"]):
        assert secret not in ended.out


async def test_check_reports_a_wrong_key_in_one_line(shell: Shell, upstream: dict[str, str]) -> None:
    """The line says that the platform rejected the key."""
    ended = await shell.run("check", **upstream | {"WIRO_API_KEY": "not-the-key"})

    assert ended.code == 1
    assert one_line(ended).startswith("relay: wiro: ")
    assert "not-the-key" not in ended.out + ended.err


async def test_check_calls_apikley_too(shell: Shell, sandbox: Sandbox) -> None:
    """A wrong key is reported with the name of its setting, and not printed."""
    settings = {"APIKLEY_API_URL": sandbox.apikley_url, "APIKLEY_API_KEY": sandbox.apikley_key}
    content = await shell.run("check", **settings, APIKLEY_WEBHOOK_SECRET="a-secret-that-is-never-printed")
    wrong = await shell.run("check", **settings | {"APIKLEY_API_KEY": "not-the-key"})

    assert (content.code, content.err) == (0, "")
    assert "a-secret-that-is-never-printed" not in content.out
    assert sandbox.apikley_key not in content.out
    assert one_line(wrong).startswith("relay: apikley: ")
    assert "APIKLEY_API_KEY" in one_line(wrong)
    assert "not-the-key" not in wrong.out + wrong.err


async def test_check_prints_one_line_per_problem(shell: Shell) -> None:
    """An unavailable store and missing credentials are two problems."""
    ended = await shell.run("check", RELAY_STORE="sqlite:///no/such/folder/relay.db")

    assert ended.code == 1
    store, provider = ended.err.splitlines()
    assert store.startswith("relay: RELAY_STORE: ")
    assert provider.startswith("relay: WIRO_API_KEY: ")


async def test_check_reads_the_archive(shell: Shell, upstream: dict[str, str]) -> None:
    """A bucket that cannot be read is one problem, and so is a directory that cannot be created."""
    (shell.folder / "file").write_text("")
    bucket = {"AWS_ENDPOINT": "http://127.0.0.1:1", "AWS_ALLOW_HTTP": "true", "AWS_REGION": "x"}
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    good = await shell.run("check", **upstream, RELAY_ARCHIVE=f"file://{shell.folder}/results")
    folder = await shell.run("check", **upstream, RELAY_ARCHIVE=f"file://{shell.folder}/file/results")
    unreachable = await shell.run("check", **upstream, RELAY_ARCHIVE="s3://bucket/prefix", **bucket, **keys)

    assert (good.code, good.err) == (0, "")
    assert one_line(folder).startswith(f"relay: RELAY_ARCHIVE: cannot use file://{shell.folder}/file/results: ")
    assert one_line(unreachable).startswith("relay: RELAY_ARCHIVE: The archive failed: ")


async def test_the_missing_package_of_the_archive_is_named(shell: Shell, upstream: dict[str, str]) -> None:
    """Every command that needs it says how to install it."""
    (shell.folder / "obstore.py").write_text("raise ImportError(name='obstore')")  # found before the installed one
    for command in ("serve", "check"):
        ended = await shell.run(command, **upstream, RELAY_ARCHIVE=f"file://{shell.folder}/results", RELAY_PORT="0")

        assert ended.code == 1
        assert "the package obstore: pip install 'generation-relay[archive]'" in ended.err
        assert "Traceback" not in ended.err


async def test_check_works_beside_a_running_relay(shell: Shell, upstream: dict[str, str]) -> None:
    """It needs no lock on the store."""
    async with shell.started("serve", RELAY_PORT="0", **upstream) as process:
        await printed(process, r"(listens) on")

        ended = await shell.run("check", **upstream)

    assert (ended.code, ended.err) == (0, "")


async def test_the_settings_that_the_sandbox_prints_work(shell: Shell) -> None:
    """A relay with these settings reaches the sandbox."""
    async with shell.started("sandbox", "--port", "0", "--speed", "50", "--dialect", "gen2") as process:
        assert process.stdout is not None
        settings: dict[str, str] = {}
        while "RELAY_MEDIA_SOURCES" not in settings:
            line = (await process.stdout.readline()).decode()
            assert line, "the sandbox ended"
            settings |= dict(re.findall(r"([A-Z_]+)=(\S+)", line))

        ended = await shell.run("check", **settings)

        assert (ended.code, ended.err) == (0, "")
        assert await stopped(process, signal.SIGINT) == 130


async def begun(client: aiohttp.ClientSession, headers: dict[str, str] | None = None) -> str:
    """Start a task and return its ID."""
    body = {"model": "bytedance/seedream-v4", "input": {"prompt": "A lake."}}
    async with client.post("/v1/tasks", json=body, headers=headers) as answer:
        assert answer.status == 201
        return str((await answer.json())["task"]["id"])


async def test_the_demo_uses_the_api_keys_that_are_set(shell: Shell) -> None:
    """It prints none of them; its link signs a browser in with the first one."""
    async with shell.started("demo", "--port", "0", "--no-open", RELAY_API_KEYS=KEY) as process:
        address, _, code = (await printed(process, r"(http://\S+)")).partition("#code=")
        async with aiohttp.ClientSession(address) as page, page.post("/v1/login", json={"code": code}) as answer:
            assert await answer.json() == {"key": KEY}
        process.send_signal(signal.SIGINT)
        out, _ = await process.communicate()
    assert KEY.encode() not in out


async def test_the_demo_rejects_a_short_key(shell: Shell) -> None:
    """It prints one line, as every command does."""
    ended = await shell.run("demo", "--no-open", RELAY_API_KEYS="short")
    assert ended.code == 1
    assert "24 characters" in one_line(ended)
