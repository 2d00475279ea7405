"""A log that is not read, or cannot be written: logging does not block, and dropped lines are counted."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from relay.line_writer import LineWriter
from tests.preloaded import Preloaded
from tests.shell import PATIENCE_S, Shell, printed

KEY = "a-key-for-the-log-pipe-tests"
PIPE_BYTES = 65_536
"""The capacity of a pipe on Linux, after which its writer blocks."""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for end in (reading, writing):
        os.close(end)


def note(count: int) -> bytes:
    return b"dropped %d\n" % count


def read_all(fd: int) -> list[bytes]:
    """Return the lines in a pipe."""
    os.set_blocking(fd, False)
    text = bytearray()
    try:
        while piece := os.read(fd, PIPE_BYTES):
            text += piece
    except BlockingIOError:
        pass
    os.set_blocking(fd, True)
    return bytes(text).splitlines()


def test_lines_are_written_in_order(pipe: tuple[int, int]) -> None:
    """All of them are written before `close` returns."""
    writer = LineWriter(pipe[1], note)
    for number in range(1000):
        writer.write(b"%d\n" % number)
    writer.close()

    assert read_all(pipe[0]) == [b"%d" % number for number in range(1000)]


def test_an_unread_pipe_drops_lines_and_counts_them(pipe: tuple[int, int]) -> None:
    """The queue is bounded, the newest lines are dropped, and their number takes their place."""
    reading, writing = pipe
    os.write(writing, b"." * (PIPE_BYTES - 1) + b"\n")  # it is full from the start
    writer = LineWriter(writing, note, limit_bytes=100_000)
    line = b"x" * 999 + b"\n"
    for _ in range(1000):
        writer.write(line)
    lines: list[bytes] = []
    while len(lines) < 101:
        lines += read_all(reading)
    writer.flush()
    writer.write(b"after\n")
    writer.close()
    lines += read_all(reading)

    assert lines[1:] == [line.rstrip()] * 100 + [b"dropped 900", b"after"]


def test_a_full_disk_drops_lines_and_counts_them(tmp_path: Path) -> None:
    """Logging raises nothing; the count is written when there is room again."""
    file = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT)
    full = os.open("/dev/full", os.O_WRONLY)
    fd = os.dup(full)
    writer = LineWriter(fd, note)
    for _ in range(3):
        writer.write(b"lost\n")
        writer.flush()
    os.dup2(file, fd)
    writer.write(b"found\n")
    writer.close()
    for each in (file, full, fd):
        os.close(each)

    assert (tmp_path / "log").read_text() == "dropped 3\nfound\n"


def test_a_non_blocking_pipe_loses_nothing(pipe: tuple[int, int]) -> None:
    """Another process that shares the pipe may have made it non-blocking."""
    reading, writing = pipe
    os.set_blocking(writing, False)
    writer = LineWriter(writing, note)
    for number in range(20_000):
        writer.write(b"%09d\n" % number)
    lines: list[bytes] = []
    while len(lines) < 20_000:
        lines += read_all(reading)
    writer.close()

    assert b"\n".join(lines).startswith(b"000000000\n000000001\n")
    assert lines[-1] == b"000019999"


async def test_a_relay_serves_while_its_log_is_not_read(shell: Shell) -> None:
    """It responds and shuts down after logging three times the capacity of the pipe; late lines are complete."""
    settings = {"RELAY_PORT": "0", "RELAY_API_KEYS": KEY, "RELAY_LOG_LEVEL": "debug", "RELAY_LOG_FORMAT": "json"}
    reading, writing = os.pipe()
    try:
        async with replace(shell, stderr=writing).started("serve", **settings) as process:
            async with aiohttp.ClientSession(await printed(process, r"listens on (\S+)")) as client:
                for _ in range(3 * PIPE_BYTES // 150):
                    async with client.get("/livez") as answer:
                        assert answer.status == 200
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
        lines = read_all(reading)
    finally:
        os.close(reading)
        os.close(writing)

    assert all(line.startswith(b"{") for line in lines)
    assert len(b"\n".join(lines)) > PIPE_BYTES // 2


async def test_a_relay_serves_when_its_output_goes_to_a_full_disk(shell: Shell) -> None:
    """One line reports it, and there is no traceback."""
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        async with replace(shell, stdout=full).started("serve", RELAY_PORT="0", RELAY_API_KEYS=KEY) as process:
            url = await printed(process, r"relay\.started.*(http://[\d.:]+)", stream=process.stderr)
            async with aiohttp.ClientSession(url) as client, client.get("/livez") as answer:
                assert answer.status == 200
            process.send_signal(signal.SIGTERM)
            _, err = await process.communicate()
    finally:
        os.close(full)

    assert process.returncode == 0
    assert err.decode().count("stdout.write_failed") == 1
    assert "Traceback" not in err.decode()


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "arguments", [("check",), ("--help",), ("token", "--tag", "a"), ("demo", "--no-open")], ids=" ".join
)
async def test_a_command_that_cannot_write_its_output_fails_with_one_line(
    arguments: tuple[str, ...], unbuffered: str, shell: Shell, preloaded: Preloaded
) -> None:
    """The exit code is 1."""
    full = os.open("/dev/full", os.O_WRONLY)
    settings = {"RELAY_TOKEN_SECRET": "a-secret-of-more-than-32-characters", "PYTHONUNBUFFERED": unbuffered}
    if arguments[0] == "demo":
        arguments = (*arguments, "--port", "0")
    try:
        faster = None if unbuffered else preloaded  # Python reads the variable when it starts
        async with replace(shell, stdout=full, preloaded=faster).started(*arguments, **settings) as process:
            _, err = await process.communicate()
    finally:
        os.close(full)

    assert process.returncode == 1
    (line,) = err.decode().splitlines()
    assert line == "relay: cannot write to standard output: No space left on device"


async def test_a_relay_serves_with_closed_stdout_and_stderr(shell: Shell, unused_tcp_port: int) -> None:
    """`>&- 2>&-` closes both."""
    command = f"exec {sys.executable} -m relay serve >&- 2>&-"
    settings = {"RELAY_PORT": str(unused_tcp_port), "RELAY_API_KEYS": KEY}
    process = await asyncio.create_subprocess_shell(command, cwd=shell.folder, env=settings)
    try:
        async with asyncio.timeout(PATIENCE_S):
            while (await shell.run("check", "--ready", **settings)).code:
                assert process.returncode is None
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
