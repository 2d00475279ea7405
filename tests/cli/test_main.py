"""The commands as a person meets them: real processes, what they print, what they end with."""

import re
import signal
import socket
from pathlib import Path

import aiohttp
import pytest

from relay.sandbox import Sandbox
from tests.shell import Shell, one_line, printed, stopped

KEY = "a-key-for-the-command-line"


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture
def upstream(sandbox: Sandbox) -> dict[str, str]:
    """The settings that point at the sandbox."""
    return {
        "WIRO_API_KEY": sandbox.api_key,
        "WIRO_API_SECRET": sandbox.api_secret or "",
        "WIRO_API_URL": sandbox.api_url,
        "WIRO_SOCKET_URL": sandbox.socket_url,
    }


async def test_help_names_every_command(shell: Shell) -> None:
    """A newcomer sees what there is."""
    ended = await shell.run("--help")

    assert ended.code == 0
    for name in ("serve", "demo", "sandbox", "check", "token"):
        assert re.search(rf"\b{name}\b", ended.out)


async def test_the_version_is_told(shell: Shell) -> None:
    """A bug report begins with it."""
    ended = await shell.run("--version")

    assert (ended.code, ended.err) == (0, "")
    assert re.fullmatch(r"relay \S+\n", ended.out)


@pytest.mark.parametrize(
    "arguments", [("serve", "--nonsense"), ("nonsense",), ("token",), ("demo", "--port", "many")], ids=" ".join
)
async def test_wrong_usage_ends_with_2(arguments: tuple[str, ...], shell: Shell) -> None:
    """What the shell was given makes no sense: nothing was tried."""
    ended = await shell.run(*arguments)

    assert ended.code == 2
    assert "Traceback" not in ended.err


async def test_an_unknown_setting_is_one_line_and_1(shell: Shell) -> None:
    """A slip in a name is told at once, without a traceback."""
    ended = await shell.run("serve", RELAY_PROT="8080")

    assert ended.code == 1
    assert "RELAY_PROT" in one_line(ended)


@pytest.mark.parametrize("level", ["info", "debug"])
async def test_it_starts_beside_a_service_of_kubernetes_that_has_its_name(level: str, shell: Shell) -> None:
    """What Kubernetes sets for it is passed over in silence, but for the debug level."""
    links = {"RELAY_SERVICE_HOST": "10.96.0.7", "RELAY_SERVICE_PORT": "80", "RELAY_PORT": "tcp://10.96.0.7:80"}
    (shell.folder / ".env").write_text("RELAY_PORT=0\n")
    async with shell.started("serve", RELAY_LOG_LEVEL=level, **links) as process:
        await printed(process, r"(listens) on")
        process.send_signal(signal.SIGTERM)
        _, err = await process.communicate()

    assert process.returncode == 0
    assert (b"settings.ignored" in err) == (level == "debug")
    assert (b"RELAY_SERVICE_HOST" in err) == (level == "debug")


async def test_an_open_address_without_keys_is_refused(shell: Shell) -> None:
    """Nobody puts an unlocked relay on a network by mistake."""
    ended = await shell.run("serve", RELAY_HOST="0.0.0.0", RELAY_PORT="0")

    assert ended.code == 1
    assert "RELAY_API_KEYS" in one_line(ended)


@pytest.mark.parametrize("arguments", [("serve",), ("demo", "--no-open"), ("sandbox",)], ids=" ".join)
async def test_a_port_that_is_taken_is_one_line_and_1(arguments: tuple[str, ...], shell: Shell) -> None:
    """The line names the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        if arguments == ("serve",):
            ended = await shell.run(*arguments, RELAY_PORT=port, RELAY_LOG_LEVEL="warning")
        else:
            ended = await shell.run(*arguments, "--port", port)

    assert ended.code == 1
    assert port in one_line(ended)


async def test_a_second_relay_on_one_store_is_one_line_and_1(shell: Shell) -> None:
    """Two writers would tear the log: the second one does not start, and the first goes on."""
    async with shell.started("serve", RELAY_PORT="0") as first:
        url = await printed(first, r"listens on (\S+)")

        second = await shell.run("serve", RELAY_PORT="0", RELAY_LOG_LEVEL="warning")

        assert second.code == 1
        assert "relay.db" in one_line(second)
        async with aiohttp.ClientSession() as client, client.get(f"{url}/readyz") as answer:
            assert answer.status == 200


async def test_a_key_is_made_once_and_printed_with_the_dashboard(shell: Shell) -> None:
    """Without keys a relay on loopback makes one, keeps it, and it opens the API."""
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
    """Whoever set it knows it, and the terminal may be a log."""
    async with shell.started("serve", RELAY_PORT="0", RELAY_API_KEYS=KEY) as process:
        await printed(process, r"(listens) on")
        process.send_signal(signal.SIGTERM)
        out, err = await process.communicate()

    assert KEY.encode() not in out + err


async def test_sigterm_drains_viewers_and_ends_with_0(shell: Shell, sandbox: Sandbox, upstream: dict[str, str]) -> None:
    """A deployment is an ordinary end: open streams are told to come back, and nothing has to be killed."""
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


async def test_ctrl_c_ends_with_130(shell: Shell) -> None:
    """As the shell wants to hear it, and without a traceback."""
    async with shell.started("serve", RELAY_PORT="0") as process:
        await printed(process, r"(listens) on")
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()

    assert process.returncode == 130
    assert b"Traceback" not in err


async def test_a_minted_token_opens_its_task_and_no_other(
    shell: Shell, sandbox: Sandbox, upstream: dict[str, str]
) -> None:
    """`relay token` beside a running relay: the token opens what it was minted for, for its scope alone."""
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


async def test_a_minted_token_has_the_scope_that_was_asked_for(
    shell: Shell, sandbox: Sandbox, upstream: dict[str, str]
) -> None:
    """Several scopes in one token, and the public address in its link."""
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
async def test_a_token_of_no_known_scope_or_time_is_wrong_usage(arguments: tuple[str, ...], shell: Shell) -> None:
    """A token that allows nothing, or is over at once, helps nobody."""
    ended = await shell.run("token", "some-task", *arguments)

    assert (ended.code, ended.out) == (2, "")


async def test_a_token_under_a_secret_that_nobody_keeps_is_refused(shell: Shell) -> None:
    """A store in memory has no secret that a running relay would share."""
    ended = await shell.run("token", "some-task", RELAY_STORE="memory:")

    assert ended.code == 1
    assert "RELAY_TOKEN_SECRET" in one_line(ended)


async def test_a_token_is_minted_only_for_what_there_is(shell: Shell, upstream: dict[str, str]) -> None:
    """No store, no secret that a relay would know; a store without the task, no task."""
    without = await shell.run("token", "some-task")
    async with shell.started("serve", RELAY_PORT="0", RELAY_API_KEYS=KEY, **upstream) as process:
        await printed(process, r"listens on (\S+)")
        unknown = await shell.run("token", "some-task", RELAY_API_KEYS=KEY)

    assert (without.code, unknown.code) == (1, 1)
    assert "there is no store" in one_line(without)
    assert "there is no task some-task" in one_line(unknown)


async def test_check_is_content_with_a_good_setup_and_hides_secrets(shell: Shell, upstream: dict[str, str]) -> None:
    """It shows what every setting resolves to, and no secret."""
    secrets = {"RELAY_API_KEYS": KEY, "RELAY_TOKEN_SECRET": "a-secret-of-more-than-32-characters"}

    ended = await shell.run("check", **upstream, **secrets)

    assert (ended.code, ended.err) == (0, "")
    assert [*shell.folder.iterdir()] == []  # to look is to change nothing: the store is made by `serve`
    assert re.search(rf"WIRO_API_URL +{re.escape(upstream['WIRO_API_URL'])}\n", ended.out)
    assert re.search(r"RELAY_PORT +8080\n", ended.out)
    for secret in (*secrets.values(), upstream["WIRO_API_KEY"], upstream["WIRO_API_SECRET"]):
        assert secret not in ended.out


async def test_check_says_in_one_line_that_the_key_is_wrong(shell: Shell, upstream: dict[str, str]) -> None:
    """The upstream was reached and did not know us: that is what the line says."""
    ended = await shell.run("check", **upstream | {"WIRO_API_KEY": "not-the-key"})

    assert ended.code == 1
    assert one_line(ended).startswith("relay: wiro: ")
    assert "not-the-key" not in ended.out + ended.err


async def test_check_reaches_for_apikley_too(shell: Shell, sandbox: Sandbox) -> None:
    """One harmless call with its key; a wrong one is told with the name of its setting, and not shown."""
    settings = {"APIKLEY_API_URL": sandbox.apikley_url, "APIKLEY_API_KEY": sandbox.apikley_key}
    content = await shell.run("check", **settings, APIKLEY_WEBHOOK_SECRET="a-word-that-nobody-may-read")
    wrong = await shell.run("check", **settings | {"APIKLEY_API_KEY": "not-the-key"})

    assert (content.code, content.err) == (0, "")
    assert "a-word-that-nobody-may-read" not in content.out
    assert sandbox.apikley_key not in content.out
    assert one_line(wrong).startswith("relay: apikley: ")
    assert "APIKLEY_API_KEY" in one_line(wrong)
    assert "not-the-key" not in wrong.out + wrong.err


async def test_check_has_one_line_for_each_thing_that_is_wrong(shell: Shell) -> None:
    """A store that cannot be had and no credentials are two things to mend."""
    ended = await shell.run("check", RELAY_STORE="sqlite:///no/such/folder/relay.db")

    assert ended.code == 1
    store, provider = ended.err.splitlines()
    assert store.startswith("relay: RELAY_STORE: ")
    assert provider.startswith("relay: WIRO_API_KEY: ")


async def test_check_runs_beside_a_relay_that_serves(shell: Shell, upstream: dict[str, str]) -> None:
    """To look at a relay one does not have to stop it."""
    async with shell.started("serve", RELAY_PORT="0", **upstream) as process:
        await printed(process, r"(listens) on")

        ended = await shell.run("check", **upstream)

    assert (ended.code, ended.err) == (0, "")


async def test_the_lines_that_the_sandbox_prints_work_as_they_are(shell: Shell) -> None:
    """Copied into an environment they point a relay at it."""
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
    """Start a task and return its id."""
    body = {"model": "bytedance/seedream-v4", "input": {"prompt": "A lake."}}
    async with client.post("/v1/tasks", json=body, headers=headers) as answer:
        assert answer.status == 201
        return str((await answer.json())["task"]["id"])


async def test_the_demo_takes_the_api_keys_that_are_set(shell: Shell) -> None:
    """And then prints none; its link signs a browser in with the first of them."""
    async with shell.started("demo", "--port", "0", "--no-open", RELAY_API_KEYS=KEY) as process:
        address, _, code = (await printed(process, r"(http://\S+)")).partition("#code=")
        async with aiohttp.ClientSession(address) as page, page.post("/v1/login", json={"code": code}) as answer:
            assert await answer.json() == {"key": KEY}
        process.send_signal(signal.SIGINT)
        out, _ = await process.communicate()
    assert KEY.encode() not in out


async def test_the_demo_refuses_a_key_that_can_be_guessed(shell: Shell) -> None:
    """One line, as of every command."""
    ended = await shell.run("demo", "--no-open", RELAY_API_KEYS="short")
    assert ended.code == 1
    assert "24 characters" in one_line(ended)
