"""Logging never stops the work that it tells of."""

from __future__ import annotations

import io
import sys

import pytest
import structlog

from invent_server import logs
from shared.settings import load


def test_a_line_that_cannot_be_written_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = structlog.get_config()
    gone, other = io.StringIO(), io.StringIO()
    try:
        monkeypatch.setattr(sys, "stderr", gone)
        logs.set_up(load(environ={"HOME": "/nonexistent"}).log)
        log = structlog.get_logger("test")
        log.error("first")
        assert "first" in gone.getvalue()
        gone.close()
        log.error("into the void")
        monkeypatch.setattr(sys, "stderr", other)
        log.error("to whoever listens now")
        assert "to whoever listens now" in other.getvalue()
    finally:
        structlog.configure(**before)
