"""The journal in a PostgreSQL database, for relays on several machines."""

from relay.errors import ConfigError

try:
    import asyncpg as _asyncpg  # noqa: F401
except ImportError as missing:
    raise ConfigError(
        "RELAY_STORE: PostgreSQL needs the package asyncpg, which is not installed: "
        "pip install 'generation-relay[postgres]'"
    ) from missing
