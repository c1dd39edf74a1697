"""Where the vectors of a server's index come from, and how they do: a model of Ollama, the ONNX folder, or none."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import structlog

from invent_server.knowledge.index.client import Index
from invent_server.knowledge.types import DenseState, IndexUnavailable
from invent_server.models.embedding import EmbeddingModel
from invent_server.models.errors import ModelError
from invent_server.models.minilm import folder as fetched
from shared.settings import Settings

log = structlog.get_logger(__name__)
_FILE = "model.onnx"


class Vectors:
    """One per server. The index process is told the source at each of its starts, and again when that has changed."""

    def __init__(self, index: Index, settings: Settings, model: EmbeddingModel | None) -> None:
        self._index = index
        self._settings = settings
        self._model = model if model is not None and model.name else None
        self._told: dict[str, str] = {}
        self._problem = ""
        if self._model is not None:
            index.on_need = self._model.bulk

    @property
    def wanted(self) -> bool:
        """Somebody named a model, or put one there."""
        return self._model is not None or bool(self._told)

    def state(self) -> DenseState:
        """How the vectors do; an empty `model` and no `problem`: there are to be none."""
        state = self._index.state().dense
        if self._model is not None and self._problem:
            return replace(state, model=self._model.name, ready=False, problem=self._problem)
        return state

    async def question(self, text: str) -> list[float] | None:
        """The vector of a question where the server makes it. None: the index makes it, or goes on without."""
        if self._model is None or not self._index.state().dense.ready:
            return None
        try:
            return await self._model.question(text)
        except ModelError as error:
            log.info("searching by words alone", reason=str(error))
            return None

    async def started(self) -> None:
        """The index process is new: it knows no source."""
        self._told = {}
        await self.look()

    async def look(self) -> None:
        """Tell the index process the source if it is another than before. Never raises."""
        source = await self._source()
        if source == self._told:
            return
        try:
            await self._index.dense(source)
        except IndexUnavailable:
            return
        self._told = source

    async def _source(self) -> dict[str, str]:
        if self._model is not None:
            try:
                digest = await self._model.digest()
            except ModelError as error:
                if self._problem != str(error):
                    log.warning("no vectors yet", reason=str(error))
                self._problem = str(error)
                return self._told
            self._problem = ""
            return {**self._place(), "model": self._model.name, "digest": digest}
        return await asyncio.to_thread(self._folder)

    def _folder(self) -> dict[str, str]:
        """The ONNX folder that is set, or the one that was fetched."""
        chosen = self._settings.index.onnx
        path = Path(chosen).expanduser().absolute() if chosen else fetched(self._settings.data_dir)
        written = _written(path / _FILE)
        return {**self._place(), "onnx": str(path), "written": written} if chosen or written else {}

    def _place(self) -> dict[str, str]:
        settings = self._settings
        scope = f"default@{settings.database.url or settings.data_dir}"
        return {"scope": scope, "chroma": settings.index.chroma}


def _written(file: Path) -> str:
    """When a file was written: another model in its place is another source."""
    try:
        return str(file.stat().st_mtime_ns)
    except OSError:
        return ""
