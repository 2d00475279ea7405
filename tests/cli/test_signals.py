"""SIGHUP: reload settings, or stop after the loss of the terminal."""

import asyncio
import fcntl
import os
import re
import signal
import sys
import termios
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import orjson
import pytest

from relay.journal.sqlite import SQLiteJournal
from relay.sandbox import Sandbox
from tests.preloaded import Preloaded
from tests.shell import PATIENCE_S, Process, Shell, inherited_environment, printed

OLD, NEW, KEPT = "the-old-key-of-24-characters", "the-new-key-of-24-characters", "the-kept-key-of-24-characters"
SHOP = "https://shop.example"


@pytest.fixture
def shell(tmp_path: Path, preloaded: Preloaded) -> Shell:
    return Shell(tmp_path, preloaded)


@pytest.fixture(autouse=True)
def default_sighup() -> Iterator[None]:
    """Start the commands with the default action for SIGHUP, even if nohup runs the tests."""
    inherited = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, inherited)


def write(shell: Shell, **settings: str) -> None:
    (shell.folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))


async def reloaded(process: Process) -> str:
    """Send SIGHUP and return the log line about the reload."""
    process.send_signal(signal.SIGHUP)
    return await printed(process, r"(.*settings\.reload.*)", stream=process.stderr)


async def status(client: aiohttp.ClientSession, key: str, **headers: str) -> int:
    headers = {"Authorization": f"Bearer {key}"} | headers
    async with client.get("/v1/tasks", headers=headers) as answer:
        return answer.status


async def test_a_reload_applies_keys_origins_and_log_level(shell: Shell) -> None:
    """They apply immediately, also to open connections; settings that need a restart are named."""
    write(shell, RELAY_PORT="0", RELAY_API_KEYS=f"{OLD},{KEPT}", RELAY_DRAIN="2")
    async with (
        shell.started("serve") as process,
        aiohttp.ClientSession(await printed(process, r"listens on (\S+)")) as client,
    ):
        assert [await status(client, key) for key in (OLD, KEPT, NEW)] == [200, 200, 401]
        assert await status(client, KEPT, Origin=SHOP) == 403
        write(
            shell,
            RELAY_PORT="0",
            RELAY_API_KEYS=f"{KEPT},{NEW}",
            RELAY_ALLOWED_ORIGINS=SHOP,
            RELAY_LOG_LEVEL="debug",
            RELAY_DRAIN="1",
        )
        line = await reloaded(process)

        assert "settings.reloaded" in line
        assert set(re.findall(r"RELAY_\w+", line.partition("restart_needed")[0])) == {
            *("RELAY_API_KEYS", "RELAY_ALLOWED_ORIGINS", "RELAY_LOG_LEVEL")
        }
        assert re.findall(r"RELAY_\w+", line.partition("restart_needed")[2]) == ["RELAY_DRAIN"]
        assert [await status(client, key) for key in (OLD, KEPT, NEW)] == [401, 200, 200]
        assert await status(client, KEPT, Origin=SHOP) == 200
        assert "GET" in await printed(process, r"(.*request\.answered.*)", stream=process.stderr)  # that is debug
        process.send_signal(signal.SIGTERM)
        await process.communicate()
    assert process.returncode == 0


async def test_sigusr1_logs_details_until_the_next_one(shell: Shell) -> None:
    """It needs no file, so it works where the environment holds the settings."""
    async with (
        shell.started("serve", RELAY_PORT="0", RELAY_LOG_LEVEL="warning") as process,
        aiohttp.ClientSession(await printed(process, r"listens on (\S+)")) as client,
    ):
        process.send_signal(signal.SIGUSR1)
        line = await printed(process, r"(.*log\.level_changed.*)", stream=process.stderr)
        assert orjson.loads(line)["log_level"] == "debug"
        async with client.get("/v1/tasks"):
            pass
        assert await printed(process, r'"event": "(request\.answered)"', stream=process.stderr)
        process.send_signal(signal.SIGUSR1)
        line = await printed(process, r"(.*log\.level_changed.*)", stream=process.stderr)
        assert orjson.loads(line)["log_level"] == "warning"


async def test_a_reload_reads_files(shell: Shell) -> None:
    """A setting in a file of its own can be reloaded although the environment names the file."""
    keys = shell.folder / "keys"
    keys.write_text(f"{OLD}\n")
    async with (
        shell.started("serve", RELAY_PORT="0", RELAY_API_KEYS_FILE=str(keys)) as process,
        aiohttp.ClientSession(await printed(process, r"listens on (\S+)")) as client,
    ):
        assert await status(client, OLD) == 200
        keys.write_text(f"{NEW}\n")
        assert '"changed": ["RELAY_API_KEYS"]' in await reloaded(process)
        assert (await status(client, OLD), await status(client, NEW)) == (401, 200)


async def test_a_removed_key_loses_its_open_connections_and_tokens_do_not(shell: Shell, sandbox: Sandbox) -> None:
    """Clients can reconnect with a valid key only."""
    sandbox.next_run(hold_at="task_start")
    upstream = {
        "WIRO_API_KEY": sandbox.api_key,
        "WIRO_API_SECRET": sandbox.api_secret or "",
        "WIRO_API_URL": sandbox.api_url,
        "WIRO_SOCKET_URL": sandbox.socket_url,
    }
    write(shell, RELAY_API_KEYS=f"{OLD},{KEPT}", RELAY_PORT="0", RELAY_DRAIN="1", **upstream)
    async with (
        shell.started("serve") as process,
        aiohttp.ClientSession(await printed(process, r"listens on (\S+)")) as client,
    ):
        body = {"model": "bytedance/seedream-v4", "input": {"prompt": "A lake."}}
        bearer = {"Authorization": f"Bearer {OLD}"}
        async with client.post("/v1/tasks", json=body, headers=bearer) as answer:
            started = await answer.json()
        path = f"/v1/tasks/{started['task']['id']}"
        by_token = {"Authorization": f"Bearer {started['token']}"}
        async with (
            client.ws_connect(f"{path}/ws", headers=bearer) as of_key,
            client.ws_connect(f"{path}/ws", headers=by_token) as of_token,
            client.get(f"{path}/events", headers=bearer | {"Accept": "text/event-stream"}) as stream,
        ):
            assert (await of_key.receive_json())["type"] == "snapshot"
            assert (await of_token.receive_json())["type"] == "snapshot"
            await stream.content.readuntil(b'"snapshot"')
            write(shell, RELAY_API_KEYS=KEPT, RELAY_PORT="0", RELAY_DRAIN="1", **upstream)

            await reloaded(process)

            while (message := await of_key.receive()).type is aiohttp.WSMsgType.TEXT:
                pass
            assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 4005)
            await stream.content.read()
            assert [await status(client, key) for key in (OLD, KEPT)] == [401, 200]
            async with client.post(f"{path}/cancel", headers={"Authorization": f"Bearer {KEPT}"}) as answer:
                assert answer.status == 202
            while "cancel" not in await of_token.receive_str():  # it raises when the connection is closed
                pass


@pytest.mark.parametrize(
    "wrong", [{"RELAY_API_KEYS": "short"}, {"RELAY_LOG_LEVEL": "loud"}, {"RELAY_ALLOWED_ORIGINS": "shop.example"}]
)
async def test_an_invalid_value_changes_nothing_and_is_logged(wrong: dict[str, str], shell: Shell) -> None:
    """Valid changes in the same file are not applied either."""
    write(shell, RELAY_PORT="0", RELAY_API_KEYS=OLD)
    async with (
        shell.started("serve") as process,
        aiohttp.ClientSession(await printed(process, r"listens on (\S+)")) as client,
    ):
        write(shell, **{"RELAY_PORT": "0", "RELAY_API_KEYS": NEW} | wrong)
        line = await reloaded(process)

        assert "settings.reload_failed" in line
        assert next(iter(wrong)) in line
        assert [await status(client, key) for key in (OLD, NEW)] == [200, 401]

        write(shell, RELAY_PORT="0", RELAY_API_KEYS=NEW)
        assert "settings.reloaded" in await reloaded(process)
        assert [await status(client, key) for key in (OLD, NEW)] == [401, 200]


async def made_key(shell: Shell) -> str:
    """Return the key that the relay generated for its store."""
    journal = SQLiteJournal(shell.folder / "relay.db")
    await journal.open(lock=False)
    try:
        return await journal.keep_secret("api_key", "none was made")
    finally:
        await journal.close()


async def test_a_generated_key_stays_valid_after_a_reload(shell: Shell) -> None:
    """A reload without RELAY_API_KEYS keeps the key of the store."""
    async with (
        shell.started("serve", RELAY_PORT="0") as process,
        aiohttp.ClientSession(await printed(process, r"listens on (\S+)")) as client,
    ):
        key = await made_key(shell)
        assert await status(client, key) == 200
        assert "settings.reloaded" in await reloaded(process)
        assert await status(client, key) == 200


async def test_sighup_stops_a_command_without_settings(shell: Shell) -> None:
    """The demo and the sandbox have nothing to reload."""
    async with shell.started("sandbox", "--port", "0") as process:
        await printed(process, r"(is running)")
        process.send_signal(signal.SIGHUP)
        _, err = await process.communicate()
    assert process.returncode == 0
    assert b"Traceback" not in err


@asynccontextmanager
async def on_terminal(
    shell: Shell, *, ignored: bool = False
) -> AsyncIterator[tuple[asyncio.subprocess.Process, Callable[[], None]]]:
    """Serve on a new terminal with a pipe for the log; yield the process and a function that closes the terminal."""
    window, terminal = os.openpty()

    def take_terminal() -> None:
        os.setsid()
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
        if ignored:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does

    open_ends = {window, terminal}

    def close_window() -> None:
        open_ends.discard(window)
        os.close(window)

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "relay", "serve"),
        cwd=shell.folder,
        env=inherited_environment() | {"RELAY_PORT": "0", "RELAY_API_KEYS": OLD},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=take_terminal,
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            await printed(process, r"(listens on)")
            yield process, close_window
    finally:
        for each in open_ends:
            os.close(each)
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_a_lost_terminal_drains(shell: Shell) -> None:
    """A closed window or a broken ssh connection is a graceful shutdown."""
    async with on_terminal(shell) as (process, close_window):
        close_window()
        _, err = await process.communicate()

    assert process.returncode == 0
    assert b"relay.draining" in err
    assert b"Traceback" not in err


async def test_sighup_on_an_open_terminal_reloads(shell: Shell) -> None:
    """`kill -HUP` comes from another window."""
    async with on_terminal(shell) as (process, _):
        assert "settings.reloaded" in await reloaded(process)
        assert process.returncode is None


async def test_nohup_survives_its_terminal_and_still_reloads(shell: Shell) -> None:
    """Only the loss of the terminal is ignored."""
    async with on_terminal(shell, ignored=True) as (process, close_window):
        close_window()
        assert "settings.reloaded" in await reloaded(process)
        assert process.returncode is None
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
