"""Logs to stderr: lines for people, or JSON. They hold ids and field names, never texts of customers."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
from typing import Any

import structlog

from shared.settings import Log
from shared.text import clean_line


class _Stderr(io.TextIOBase):
    """What is stderr at the moment of writing. Closed, full or gone: a line that cannot be logged stops no work."""

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()


def _clean(logger: Any, method: str, event: Any) -> Any:
    return {key: clean_line(value, 500) if isinstance(value, str) else value for key, value in event.items()}


def set_up(settings: Log) -> None:
    """Call once, at the start of a server."""
    level = getattr(logging, settings.level.upper())
    # A plain traceback: the fancy one prints the values of variables, and those hold texts of customers.
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if settings.json_
        else structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    )
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _clean,
        *([structlog.processors.format_exc_info] if settings.json_ else []),
    ]
    stderr: Any = _Stderr()
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processor=renderer, foreign_pre_chain=[structlog.stdlib.add_log_level, *shared[1:]]
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))
