"""This machine: its cores, how many files may be open, what is installed on it."""

import os
import platform
import resource
import subprocess
from importlib.metadata import version
from pathlib import Path

from tests.postgres import programs

FILES = 20_000
"""The number of sockets that a process of the bench may open: 5000 viewers, and a margin."""


def cores() -> tuple[int, int]:
    """Return the core for servers and the core for everything else; with one core they are the same."""
    ours = sorted(os.sched_getaffinity(0))
    return ours[0], ours[-1]


def stay_on(core: int) -> None:
    """Pin this process, and what it starts, to a core."""
    os.sched_setaffinity(0, {core})


def allow_many_files() -> None:
    """Raise the limit of open files, for this process and what it starts."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = max(FILES, hard) if os.geteuid() == 0 else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES, most), most))
    if most < FILES:
        raise SystemExit(f"bench: {FILES} files must be allowed to be open, the limit is {most}: raise it (ulimit -n)")


def describe() -> str:
    """Say in one line what kind of machine this is."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor(),
    )
    memory_kib = int(next(line.split()[1] for line in _lines("/proc/meminfo") if line.startswith("MemTotal")))
    return f"{os.cpu_count()} cores of {model}, {memory_kib / 1024**2:.0f} GiB, Linux {platform.release()}"


def load() -> str:
    """Say how busy the machine is with other work, before ours begins."""
    return f"The load average was {os.getloadavg()[0]:.1f} before it began."


def versions() -> str:
    """Say in one line which versions were measured."""
    said = [f"Python {platform.python_version()}"]
    said += [
        f"{name} {version(name)}"
        for name in ("aiohttp", "websockets", "orjson", "asyncpg", "picows", "starlette", "uvicorn")
    ]
    said += [f"uvloop {version('uvloop')}", f"node {_said('node', '--version').lstrip('v')}", f"ws {_ws_version()}"]
    said += [_said("nginx", "-v").rpartition("version: ")[2], f"nchan {_debian_version('libnginx-mod-nchan')}"]
    said.append(f"PostgreSQL {_said(str(programs.find() / 'postgres'), '--version').split()[2]}")
    return ", ".join([*said, f"gcc {_said('gcc', '-dumpfullversion')}"])


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines()


def _said(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 -- names of our own
    return (done.stdout or done.stderr).strip()


def _ws_version() -> str:
    return _said("node", "-p", f"require('{Path(__file__).parent}/node_modules/ws/package.json').version")


def _debian_version(package: str) -> str:
    return _said("dpkg-query", "--show", "--showformat=${Version}", package)
