"""Real reverse proxies on loopback, each with its file in deploy/, in which only names, ports and timeouts change."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.service import free_port
from tests.shell import PATIENCE_S

ROOT = Path(__file__).parents[2]
CERTIFICATE = ROOT / "tests/certificates/platform.pem"
NAME = "relay.example.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where a proxy listens and what it is in front of."""

    http: int
    https: int
    relay: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A program and how to run it with its file."""

    file: str
    """In deploy/."""
    command: Callable[[Path, Path], Sequence[str]]
    """Returns the command for a configuration and a folder that is empty at first."""
    changes: Callable[[Ports], Mapping[str, str]]
    """Returns what to replace in the file; each text must be in it."""
    wrapped: Callable[[str, Path, Ports], str] = lambda text, _folder, _ports: text
    """Adds what the distribution's main file would contain."""

    async def command_for(self, folder: Path, ports: Ports, timeout: str | None = None) -> Sequence[str]:
        """Write the configuration into the folder, and return the command."""
        text = (ROOT / "deploy" / self.file).read_text(encoding="utf-8")
        changes = dict(self.changes(ports))
        if timeout is not None and "90s" in text:
            changes["90s"] = timeout
        for old, new in changes.items():
            assert old in text, old
            text = text.replace(old, new)
        config = folder / Path(self.file).name
        config.write_text(self.wrapped(text, folder, ports), encoding="utf-8")
        return self.command(config, folder)


def _nginx(text: str, folder: Path, _ports: Ports) -> str:
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;\n"
        f"events {{ worker_connections 256; }}\nhttp {{ access_log off;\n{temporary}{text}\n}}\n"
    )


def _caddy(text: str, folder: Path, ports: Ports) -> str:
    options = f"admin off\nskip_install_trust\nhttp_port {ports.http}\nhttps_port {ports.https}\n"
    return f"{{\n{options}storage file_system {folder}/storage\n}}\n{text}"


PROXIES = {
    "nginx": Proxy(
        file="nginx/relay.conf",
        command=lambda config, folder: ("nginx", "-p", str(folder), "-c", str(config)),
        changes=lambda ports: {
            NAME: "localhost",
            "listen 80;": f"listen 127.0.0.1:{ports.http};",
            "listen 443 ": f"listen 127.0.0.1:{ports.https} ",
            "/etc/ssl/relay/fullchain.pem": str(CERTIFICATE),
            "/etc/ssl/relay/privkey.pem": str(CERTIFICATE),
            "127.0.0.1:8080": ports.relay,
        },
        wrapped=_nginx,
    ),
    "caddy": Proxy(
        file="caddy/Caddyfile",
        command=lambda config, _folder: ("caddy", "run", "--config", str(config), "--adapter", "caddyfile"),
        changes=lambda ports: {NAME: "localhost", "127.0.0.1:8080": ports.relay},
        wrapped=_caddy,
    ),
    "haproxy": Proxy(
        file="haproxy/haproxy.cfg",
        command=lambda config, _folder: ("haproxy", "-db", "-f", str(config)),
        changes=lambda ports: {
            "bind :80\n": f"bind 127.0.0.1:{ports.http}\n",
            "bind :443 ": f"bind 127.0.0.1:{ports.https} ",
            "/etc/haproxy/relay.pem": str(CERTIFICATE),
            "maxconn 25000": "maxconn 500",  # this machine may limit the number of files
            "127.0.0.1:8080": ports.relay,
        },
    ),
}


def program(name: str) -> str:
    """Return the path of a program that `make test-deploy` has installed."""
    found = shutil.which(name, path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")
    assert found is not None, f"{name} is missing: run .ci/needs test-deploy"
    return found


@asynccontextmanager
async def proxied(proxy: Proxy, folder: Path, ports: Ports, *, timeout: str | None = None) -> AsyncIterator[None]:
    """
    Run a proxy during the block, once it accepts connections.

    Args:
        proxy: the proxy.
        folder: for its files.
        ports: where it listens, and the relay.
        timeout: replaces its timeouts of idle streams; None keeps them.
    """
    name, *arguments = await proxy.command_for(folder, ports, timeout)
    log = folder / "log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            program(name),
            *arguments,
            env={"HOME": str(folder), "PATH": "/usr/sbin:/usr/bin:/bin"},
            stdout=output,
            stderr=output,
        )
    try:
        async with asyncio.timeout(PATIENCE_S):
            for port in (ports.http, ports.https):
                await _accepts(port, process, log)
        yield
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def choose_ports(relay_url: str, https: int) -> Ports:
    """Return ports for a proxy in front of a relay."""
    return Ports(http=free_port(), https=https, relay=urlsplit(relay_url).netloc)


async def _accepts(port: int, process: asyncio.subprocess.Process, log: Path) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            assert process.returncode is None, await asyncio.to_thread(log.read_text)
            await asyncio.sleep(0)
        else:
            writer.close()
            return
