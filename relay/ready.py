"""
`python -m relay.ready`, the HEALTHCHECK of the container image: check whether the relay is ready.

It reads the same settings as `relay serve` to find the relay's address and port, and uses no proxy. It imports little,
because it runs every few seconds, possibly on a tenth of a core.
"""

import sys
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from relay.config import Config, load
from relay.errors import ConfigError

LIMIT_S = 4.0
"""Shorter than the HEALTHCHECK's timeout, so that the reason is still printed."""

_LOOPBACK_OF = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 -- not used to listen
"""Where to reach a relay that listens on all addresses."""


def why_not_ready(config: Config) -> str | None:
    """Return one line that says why the relay with these settings is not ready, or None if it is ready."""
    if config.port == 0:
        return "RELAY_PORT is 0, so the port is chosen at start and unknown here; set a port"
    return why_not_ready_at(address_of(config, config.port))


def why_not_ready_at(url: str) -> str | None:
    """Return one line that says why the relay at this URL is not ready, or None if it is ready."""
    try:
        address = urlsplit(url)
        is_https = address.scheme == "https"
        host, port = address.hostname or "", address.port or (443 if is_https else 80)
    except ValueError as error:
        return f"{url} is not a URL: {error}"
    connection = (HTTPSConnection if is_https else HTTPConnection)(host, port, timeout=LIMIT_S)
    try:
        connection.request("GET", f"{address.path.rstrip('/')}/readyz")
        answer = connection.getresponse()
        body = answer.read(500).decode(errors="replace")
    except (OSError, HTTPException) as error:
        return f"no answer on {host} port {port}: {str(error) or type(error).__name__}"
    finally:
        connection.close()
    return None if answer.status == 200 else f"HTTP {answer.status} on {host} port {port}: {body}"


def address_of(config: Config, port: int) -> str:
    """Return the URL of the relay with these settings, from this machine."""
    host = _LOOPBACK_OF.get(config.host, config.host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def main() -> None:
    """Print one line and exit with status 0 if the relay is ready, else 1."""
    try:
        wrong = why_not_ready(load())
    except ConfigError as error:
        wrong = str(error)
    print(wrong or "ready")  # noqa: T201 -- `docker inspect` shows it
    sys.exit(0 if wrong is None else 1)


if __name__ == "__main__":
    main()
