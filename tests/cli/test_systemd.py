"""Sockets from a service manager, and messages to it."""

import asyncio
import os
import socket
from pathlib import Path

import aiohttp
import pytest

from relay.cli.systemd import ServiceManager, check_keys, inherited_sockets
from relay.config import Config
from relay.errors import ConfigError
from tests.service import Service

KEY = "a-key-of-twenty-four-ones"


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"LISTEN_PID": "1", "LISTEN_FDS": "1"},
        {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "many"},
        {"LISTEN_PID": str(os.getpid())},
    ],
)
def test_without_sockets_for_this_process_there_are_none(given: dict[str, str]) -> None:
    """Those of another process are left alone, and no child process finds the variables."""
    environ = given | {"OTHER": "x"}

    assert inherited_sockets(environ) == []
    assert environ == {"OTHER": "x"}


@pytest.mark.parametrize("kind", ["file", "connection", "unix"])
def test_a_descriptor_that_is_not_a_listening_tcp_socket_is_rejected(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says what the socket unit must have."""
    with (tmp_path / "file").open("w") as file, socket.socket() as plain, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(tmp_path / "socket"))
        unix.listen()
        descriptor = {"file": file.fileno(), "connection": plain.fileno(), "unix": unix.fileno()}[kind]
        monkeypatch.setattr("relay.cli.systemd._FIRST_DESCRIPTOR", descriptor)

        with pytest.raises(ConfigError, match=rf"^LISTEN_FDS: descriptor {descriptor} is not a"):
            inherited_sockets({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"})


def test_an_open_socket_needs_api_keys() -> None:
    """As an open `RELAY_HOST` does."""
    with socket.create_server(("0.0.0.0", 0)) as opened, socket.create_server(("127.0.0.1", 0)) as local:
        check_keys(Config(), [local])
        check_keys(Config(api_keys=(KEY,)), [opened])
        with pytest.raises(ConfigError, match=r"at 0\.0\.0\.0 is reachable from other machines"):
            check_keys(Config(), [local, opened])


@pytest.mark.parametrize("address", ["notify", "@relay-test-notify"])
async def test_the_state_is_reported(address: str, tmp_path: Path) -> None:
    """On a path and on an abstract address: the watchdog's messages, ready, reloading and stopping."""
    path = f"{address}-{os.getpid()}" if address.startswith("@") else str(tmp_path / address)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as received:
        received.bind(path.replace("@", "\0"))
        environ = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "1000", "WATCHDOG_PID": str(os.getpid())}
        manager = ServiceManager(environ)
        assert environ == {}

        loop = asyncio.get_running_loop()
        received.setblocking(False)
        async with manager.watched():
            assert [await loop.sock_recv(received, 99) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        with manager.serving():
            manager.reloading()

        messages = []
        while (message := await loop.sock_recv(received, 99)) != b"STOPPING=1":
            messages.append(message.partition(b"USEC")[0])
        assert [each for each in messages if each != b"WATCHDOG=1"] == [b"READY=1", b"RELOADING=1\nMONOTONIC_"]


async def test_a_lost_service_manager_does_no_harm(tmp_path: Path) -> None:
    """A message that cannot be delivered is logged; without a service manager, there is none."""
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready()
    ServiceManager({}).ready()


async def test_a_restart_on_a_kept_socket_refuses_no_connection(tmp_path: Path) -> None:
    """Requests that arrive while no relay runs wait for the next one; what was accepted at SIGTERM is answered."""
    async with Service(tmp_path, RELAY_API_KEYS=KEY) as service, aiohttp.ClientSession(service.url) as client:
        await service.start()
        early, sending = await asyncio.open_connection("127.0.0.1", service.port)  # sends its request too late
        async with client.get("/livez") as answer:  # the connection before it is accepted now
            assert (answer.status, "Connection" in answer.headers) == (200, False)

        service.stop()
        await service.logged(r"relay\.draining")
        late = asyncio.create_task(status(service.url))
        sending.write(b"GET /livez HTTP/1.1\r\nHost: relay\r\n\r\n")
        answered = await early.read()
        assert answered.startswith(b"HTTP/1.1 200 ")
        assert b"Connection: close" in answered
        assert b"Connection: close" in answered
        assert await service.ended() == 0
        sending.close()

        await service.start()
        assert await late == 200


async def status(url: str) -> int:
    """Return the status of a request on a new connection."""
    async with aiohttp.ClientSession() as fresh, fresh.get(f"{url}/readyz") as answer:
        return answer.status
