"""
The one place that configures logs: structlog to stderr, for people on a terminal, as JSON elsewhere.

An event is `component.past_participle`, its values are keywords. A line never holds a payload, a key or a token;
a credential that a library quotes is cut out here.
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
"""A token in an address, as a subprotocol, in a header."""


class _QueuedHandler(logging.Handler):
    """Has records written by a thread: what logs does not wait for what reads the log."""

    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 -- as every handler of logging: a bad record is no error of the code that logs
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
        log_format: null picks `console` when stderr is a terminal.
        level: the least level that is written, by its name.
    """
    terminal = sys.stderr is not None and sys.stderr.isatty()
    console = terminal if log_format is None else log_format == "console"
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
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
        line: Any = {"event": "log.lines_dropped", "count": count, "reason": "nothing read them"}
        for process in (*shared, renderer):
            line = process(None, "warning", line)
        return _encoded(line)

    handler = _handler(lines_dropped)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.getLogger("websockets").setLevel(logging.WARNING)  # at debug it writes frames, and with them tokens
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


def set_level(level: str) -> None:
    """Write from now on what has this level or a higher one."""
    logging.getLogger().setLevel(level.upper())


def _handler(lines_dropped: Callable[[int], bytes]) -> logging.Handler:
    """Return what writes to stderr: nothing if that was closed before the start, and directly if it is no file."""
    if sys.stderr is None:
        return logging.NullHandler()
    try:
        fd = sys.stderr.fileno()
    except (OSError, ValueError):  # a test's buffer
        return logging.StreamHandler(sys.stderr)
    return _QueuedHandler(LineWriter(fd, lines_dropped))


def _encoded(line: str) -> bytes:
    return f"{line}\n".encode(errors="backslashreplace")


def redact(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Cut credentials out of whatever quotes them: no line of ours does, but a library's or a traceback may."""
    for key, value in line.items():
        if isinstance(value, str):
            line[key] = _CREDENTIAL.sub(r"\1…", value)
    return line


def get(component: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a component."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(component)
    return logger
