"""
The one place that configures logs: structlog to stderr, for people on a terminal, as JSON elsewhere.

An event is `component.past_participle`, its values are keywords. A line never holds a payload, a key or a token;
a credential that a library quotes is cut out here.
"""

import logging
import re
import sys
from typing import Literal

import structlog
from structlog.typing import EventDict, WrappedLogger

_CREDENTIAL = re.compile(r"((?:token|key)=|relay\.token\.|bearer )[^&,\s\"']+", re.IGNORECASE)
"""A token in an address, as a subprotocol, in a header."""


def configure(log_format: Literal["console", "json"] | None = None, level: str = "info") -> None:
    """
    Configure logging for the process.

    Args:
        log_format: null picks `console` when stderr is a terminal.
        level: the least level that is written, by its name.
    """
    console = sys.stderr.isatty() if log_format is None else log_format == "console"
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if console
        else structlog.processors.JSONRenderer(sort_keys=True)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.getLogger("websockets").setLevel(logging.WARNING)  # at debug it writes frames, and with them tokens
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


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
