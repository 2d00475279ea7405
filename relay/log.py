"""
Configure logging: structlog writes to stderr, as text on a terminal and as JSON elsewhere.

An event is named `noun.past_participle`, and its values are keywords. A line never contains a payload, a key or a
token. Credentials in text from libraries are redacted here.
"""

import logging
import re
import sys
from collections.abc import Callable
from typing import Any, Literal

import structlog
from structlog.typing import EventDict, WrappedLogger

from relay.line_writer import LineWriter

_CREDENTIAL = re.compile(r"((?:token|key)=|relay\.token\.|bearer )[^&,\s\"']+", re.IGNORECASE)
"""A token in a URL, in a subprotocol or in a header."""


class _QueuedHandler(logging.Handler):
    """Pass records to a thread that writes them, so that logging never blocks."""

    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 -- like every logging handler: a bad record must not fail the caller
            self.handleError(record)
        else:
            self._writer.write(_encoded(line))

    def flush(self) -> None:
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()
        super().close()


def configure(log_format: Literal["console", "json"] | None = None, level: str = "info") -> None:
    """
    Configure logging for the process.

    Args:
        log_format: None selects `console` if stderr is a terminal, otherwise `json`.
        level: name of the lowest level to write.
    """
    terminal = sys.stderr is not None and sys.stderr.isatty()
    console = terminal if log_format is None else log_format == "console"
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=terminal) if console else structlog.processors.JSONRenderer(sort_keys=True)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )

    def lines_dropped(count: int) -> bytes:
        line: Any = {"event": "log.lines_dropped", "count": count, "reason": "not read"}
        for process in (*shared, renderer):
            line = process(logging.getLogger("log"), "warning", line)
        return _encoded(line)

    handler = _handler(lines_dropped)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.getLogger("websockets").setLevel(logging.WARNING)  # at the debug level it logs frames, which contain tokens
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


def set_level(level: str) -> None:
    """Set the lowest level to write."""
    logging.getLogger().setLevel(level.upper())


def toggle_debug(level: str) -> str:
    """Set the lowest level to write to `debug`, or back to `level` if it is `debug` already. Return what was set."""
    debugging = logging.getLogger().level == logging.DEBUG
    set_level(level if debugging else "debug")
    return level if debugging else "debug"


def _handler(lines_dropped: Callable[[int], bytes]) -> logging.Handler:
    """Return a handler for stderr: none if it was closed before the start, unbuffered if it has no file descriptor."""
    if sys.stderr is None:
        return logging.NullHandler()
    try:
        fd = sys.stderr.fileno()
    except (OSError, ValueError):  # a buffer in a test
        return logging.StreamHandler(sys.stderr)
    return _QueuedHandler(LineWriter(fd, lines_dropped))


def _encoded(line: str) -> bytes:
    return f"{line}\n".encode(errors="backslashreplace")


def redact(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Replace credentials in all values. The relay logs none, but libraries and tracebacks may."""
    for key, value in line.items():
        if isinstance(value, str):
            line[key] = _CREDENTIAL.sub(r"\1…", value)
    return line


def get(component: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a component, whose name is in each line as `logger`."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(component)
    return logger


def is_logged(component: str, level: int) -> bool:
    """Return whether lines of a component are logged at a level: before `configure`, all are."""
    return not structlog.is_configured() or logging.getLogger(component).isEnabledFor(level)
