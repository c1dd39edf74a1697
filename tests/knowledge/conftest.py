"""A real index process in a scratch folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from invent_server.knowledge.index.client import Index
from shared.settings import Index as Settings

SETTINGS = Settings(restart=0.05, timeout=5.0, onnx="", chroma="")


@pytest.fixture
async def index(tmp_path: Path) -> AsyncIterator[Index]:
    made = Index(tmp_path / "index", SETTINGS)
    await made.start(wait=30)
    assert made.state().ready, made.state().problem
    yield made
    await made.close()
