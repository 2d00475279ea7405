"""
`python -m relay.ready`, the image's HEALTHCHECK: ask the relay that these settings describe whether it is ready.

It reads the settings as `serve` does, so that it finds the relay on any address and port, and it never asks a proxy.
It imports little: a container's health is asked for every few seconds, perhaps with a tenth of a core.
"""

import sys
from http.client import HTTPConnection, HTTPException

from relay.config import Config, load
from relay.errors import ConfigError

LIMIT_S = 4.0
"""Below the HEALTHCHECK's own limit, so that the reason is still told."""

_EVERY_ADDRESS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 -- not to listen there
"""Where a relay that listens on every address can be asked."""


def why_not_ready(config: Config) -> str | None:
    """Return why the relay of these settings is not ready, in one line; null: it is."""
    if config.port == 0:
        return "RELAY_PORT is 0, so the port is known to the relay alone"
    host = _EVERY_ADDRESS.get(config.host, config.host)
    connection = HTTPConnection(host, config.port, timeout=LIMIT_S)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        body = answer.read(500).decode(errors="replace")
    except (OSError, HTTPException) as error:
        return f"no answer on {host} port {config.port}: {str(error) or type(error).__name__}"
    finally:
        connection.close()
    return None if answer.status == 200 else f"HTTP {answer.status} on {host} port {config.port}: {body}"


def main() -> None:
    """Print one line, and exit with 0 when the relay is ready, else with 1."""
    try:
        wrong = why_not_ready(load())
    except ConfigError as error:
        wrong = str(error)
    print(wrong or "ready")  # noqa: T201 -- `docker inspect` shows it
    sys.exit(0 if wrong is None else 1)


if __name__ == "__main__":
    main()
