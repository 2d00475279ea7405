"""A temporary PostgreSQL server that tests may stop, kill, pause, and fail over to a standby."""

import asyncio
import ctypes
import itertools
import os
import random
import secrets
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from tests.postgres import programs
from tests.postgres.guard import children, guarded_directory, send

POLL_S = 0.02
PORTS = (15_000, 32_000)
"""Below the ports that systems give to outgoing connections, so a stopped server's port stays free."""
ROLE = "relay"
"""The owner of each database: an ordinary role, as in production."""
IPC_RMID = 0

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "16MB",
    "jit": "off",
    "fsync": "off",  # a killed process loses no file that it has written; only a machine without power does
    "dynamic_shared_memory_type": "mmap",  # in the data directory: a killed server leaves nothing in /dev/shm
}


class ServerFailed(Exception):
    """The server ended while it started, with the end of its log as the message, or was not promoted."""


@dataclass(frozen=True, slots=True)
class Home:
    """The directory of a primary, its standbys and their sockets, and the directory of the programs."""

    directory: Path
    bin: Path
    servers: list["PostgresServer"] = field(default_factory=list)


@asynccontextmanager
async def postgres_server(**settings: str) -> AsyncIterator["PostgresServer"]:
    """
    Run a new server during the block; then remove it, its standbys and its files.

    Args:
        settings: parameters of postgresql.conf, such as `fsync="on"`.
    """
    with guarded_directory() as directory:
        programs.hand_over(directory)
        home = Home(directory, programs.reachable(programs.find(), directory / "programs"))
        server = PostgresServer(home, "primary", SETTINGS | settings)
        try:
            options = ("--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
            await server.run("initdb", *options)
            await server.start()
            async with server.connection() as connection:
                await connection.execute(f"CREATE ROLE {ROLE} LOGIN")
            yield server
        finally:
            for each in home.servers:
                await each.stop(signal.SIGQUIT)


class PostgresServer:
    """
    One server with a data directory and a port, which stay the same when it is started again.

    It is bound to no event loop, so tests may share it.
    """

    def __init__(self, home: Home, name: str, settings: dict[str, str]) -> None:
        self.name = name
        self.port = 0
        self._home = home
        self._settings = settings
        self._data = home.directory / name
        self._log = home.directory / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._alive = -1
        """The end of a pipe whose other end all processes of the server hold open."""
        self._standbys = itertools.count(1)
        self._free_databases: list[str] = []
        home.servers.append(self)

    @property
    def dsn(self) -> str:
        """The superuser's address of the database `postgres`."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def dsn_of(self, database: str) -> str:
        """Return the address of a database for its owner."""
        return f"postgresql://{ROLE}@127.0.0.1:{self.port}/{database}"

    @asynccontextmanager
    async def connection(self, database: str = "postgres") -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """Connect as the superuser over the Unix socket during the block."""
        connection = await asyncpg.connect(
            host=str(self._home.directory), port=self.port, user="postgres", database=database
        )
        try:
            yield connection
        finally:
            await connection.close()

    async def create_database(self) -> str:
        """Create an empty database and return its address for its owner."""
        name = f"relay_{secrets.token_hex(8)}"
        async with self.connection() as connection:
            await connection.execute(f"CREATE DATABASE {name} OWNER {ROLE}")
        return self.dsn_of(name)

    @asynccontextmanager
    async def database(self) -> AsyncIterator[str]:
        """Lend an empty database during the block; yield its address for its owner."""
        # To create one takes 0.1 s of processor time, because it is 300 files.
        dsn = self._free_databases.pop() if self._free_databases else await self.create_database()
        yield dsn
        await self.start()
        name = dsn.rpartition("/")[2]
        await self.terminate_backends(f"datname = '{name}'")
        async with self.connection(name) as connection:
            await connection.execute(f"DROP OWNED BY {ROLE} CASCADE")
        self._free_databases.append(dsn)

    async def terminate_backends(self, where: str = "true") -> int:
        """End the clients' connections that meet a condition on pg_stat_activity; return how many there were."""
        query = f"""
            SELECT count(pg_terminate_backend(pid, 60000)) FROM pg_stat_activity
            WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND ({where})"""
        async with self.connection() as connection:
            return int(await connection.fetchval(query))

    async def start(self) -> None:
        """Start or resume the server, unless it runs, and wait until it accepts connections; first, select a port."""
        if self._process is not None and self._process.poll() is not None:
            await self._ended()
        self.resume()
        new = not self.port
        while True:
            if new:
                self.port = random.randrange(*PORTS)
            if self._process is None:
                self._start()
            try:
                await self._accepting()
            except ServerFailed as error:
                if not new or "Address already in use" not in str(error):
                    raise
            else:
                return

    async def stop(self, by: signal.Signals = signal.SIGINT) -> None:
        """Shut the server down: SIGINT ends the connections and writes a checkpoint, SIGQUIT requires a recovery."""
        if self._process is None:
            return
        self.resume()
        send([self._process.pid], by)
        await self._ended()

    async def kill(self) -> None:
        """Kill every process of the server with SIGKILL."""
        if self._process is None:
            return
        lock = self._data / "postmaster.pid"
        _, memory = lock.read_text().splitlines()[6].split()
        self.pause()  # a stopped server starts no process
        send(self._processes(), signal.SIGKILL)
        await self._ended()
        # The kernel keeps the small segment of shared memory that guards the data directory, and the lock files name
        # a process that another one may replace.
        ctypes.CDLL(None).shmctl(int(memory), IPC_RMID, None)
        lock.unlink()
        (self._home.directory / f".s.PGSQL.{self.port}.lock").unlink()

    async def crash(self) -> None:
        """Kill one process of the server, which ends all others, and wait until it has recovered."""
        async with self.connection() as witness:
            end = asyncio.Event()
            witness.add_termination_listener(lambda _: end.set())
            query = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'"
            send([await witness.fetchval(query)], signal.SIGKILL)
            await end.wait()
        await self._accepting()

    def pause(self) -> None:
        """Stop every process of the server with SIGSTOP: connections stay open and nothing answers."""
        send(self._processes()[:1], signal.SIGSTOP)
        send(self._processes()[1:], signal.SIGSTOP)

    def resume(self) -> None:
        """Continue a paused server."""
        send(self._processes(), signal.SIGCONT)

    async def configure(self, **settings: str) -> None:
        """Change parameters that need no restart."""
        self._settings |= settings
        self._write_settings()
        send(self._processes()[:1], signal.SIGHUP)

    async def standby(self, *, synchronous: bool = True) -> "PostgresServer":
        """
        Start a server that follows this one.

        Args:
            synchronous: whether this server's commits wait until the standby has written them.
        """
        name = f"{self.name}_standby{next(self._standbys)}"
        standby = PostgresServer(self._home, name, dict(self._settings))
        source = f"host={self._home.directory} port={self.port} user=postgres application_name={name}"
        await standby.run(
            "pg_basebackup", "--checkpoint=fast", "--no-sync", "--write-recovery-conf", f"--dbname={source}"
        )
        if synchronous:
            await self.configure(synchronous_standby_names=name)
        await standby.start()
        query = """
            SELECT true FROM pg_stat_replication
            WHERE application_name = $1 AND state = 'streaming' AND (sync_state = 'sync' OR NOT $2)"""
        async with self.connection() as connection:
            while not await connection.fetchval(query, name, synchronous):  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)
        return standby

    async def promote(self) -> None:
        """Make a standby a primary, on a new timeline."""
        async with self.connection() as connection:
            if not await connection.fetchval("SELECT pg_promote()"):
                raise ServerFailed(f"{self.name} was not promoted within 60 s")

    async def run(self, program: str, *arguments: str) -> None:
        """Run a program of PostgreSQL on the data directory."""
        path = self._home.bin / program
        await programs.run(path, "-D", str(self._data), *arguments, directory=self._home.directory)

    def _start(self) -> None:
        self._write_settings()
        self._alive, held = os.pipe()
        try:
            self._process = self._popen(held)
        finally:
            os.close(held)

    def _popen(self, held: int) -> subprocess.Popen[bytes]:
        with self._log.open("wb") as log:
            return subprocess.Popen(
                [self._home.bin / "postgres", "-D", self._data],
                cwd=self._home.directory,
                env=programs.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=[held],
                **programs.RUN_AS,
            )

    async def _accepting(self) -> None:
        """Wait until the server accepts connections."""
        assert self._process is not None
        while self._process.poll() is None:
            with suppress(OSError, asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError):
                async with self.connection():
                    return
            await asyncio.sleep(POLL_S)
        await self._ended()
        raise ServerFailed(self._log.read_text(errors="replace")[-2000:])

    async def _ended(self) -> None:
        """Wait until every process of the server has ended."""
        assert self._process is not None
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        loop.add_reader(self._alive, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self._alive)
        os.close(self._alive)
        self._process.wait()
        self._process = None

    def _processes(self) -> list[int]:
        """Return the first process of the server, and those that it has started."""
        if self._process is None:
            return []
        return [self._process.pid, *children(self._process.pid)]

    def _write_settings(self) -> None:
        settings = self._settings | {"port": str(self.port), "unix_socket_directories": str(self._home.directory)}
        lines = [f"{name} = '{value}'\n" for name, value in settings.items()]
        (self._data / "postgresql.conf").write_text("".join(lines))
