"""Vectors for an index of a bench, where INVENT_ONNX_DIR names the model."""

from __future__ import annotations

import asyncio

from invent_server.knowledge.index.client import Index
from shared.settings import load

PATIENCE = 600.0


async def embedded(index: Index) -> bool:
    """Make the vectors of all that is committed, if there is a model. Whether there is one."""
    folder = load().index.onnx
    if not folder:
        return False
    await index.dense({"scope": "bench", "chroma": load().index.chroma, "onnx": folder})
    await settled(index)
    return True


async def settled(index: Index) -> None:
    """Wait until every passage has its vector. Raises RuntimeError, TimeoutError."""
    async with asyncio.timeout(PATIENCE):
        while not ((state := index.state()).dense.ready and state.dense.done == state.dense.total == state.chunks):
            if state.dense.problem:
                raise RuntimeError(state.dense.problem)
            await asyncio.sleep(0.05)
