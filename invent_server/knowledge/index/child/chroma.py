"""Vectors in Chroma: one collection per embedding model, our own vectors always, one owner (this process).

Imported only when there is a model: chromadb costs more than a second and 60 MB.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import chromadb
import numpy as np
from chromadb.api import ClientAPI
from chromadb.api.shared_system_client import SharedSystemClient
from chromadb.config import Settings

from invent_server.knowledge.index.child.vectors import StoreUnusable, Vectors

T = TypeVar("T")
log = logging.getLogger(__name__)
_PAGE = 5_000
"""Ids that are listed at once."""


def name_of(scope: str, model: str, digest: str) -> str:
    """A collection's name. Chroma takes 3 to 512 characters of [a-zA-Z0-9._-]; a model's name may hold others."""
    return f"invent-{_digest(scope)}-{_digest(f'{model}|{digest}')}"


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


class Collection:
    """The vectors of one model. Raises StoreUnusable wherever Chroma fails."""

    def __init__(self, folder: Path, url: str, name: str) -> None:
        """`url`: a Chroma server; empty: the store in `folder`, which is made anew when it cannot be read."""
        try:
            self._client = _server(url) if url else _embedded(folder)
            self._collection = self._client.get_or_create_collection(
                name, configuration={"hnsw": {"space": "cosine"}}, embedding_function=None
            )
        except Exception as error:  # Chroma raises what its parts raise, also plain Exception
            where = f"the Chroma server at {url}" if url else f"the vectors in {folder}"
            raise StoreUnusable(f"{where} cannot be used ({_line(error)})") from None
        self._name = name

    def ids(self) -> list[str]:
        """All ids."""
        found: list[str] = []

        def ask() -> list[str]:
            return list(self._collection.get(include=[], limit=_PAGE, offset=len(found))["ids"])

        while part := self._asked(ask):
            found += part
        return found

    def put(self, ids: Sequence[str], vectors: Vectors) -> None:
        """Store vectors; the same id again is replaced. Holds the interpreter for as long as it takes: give few."""
        self._asked(lambda: self._collection.upsert(ids=list(ids), embeddings=vectors))

    def drop(self, ids: Sequence[str]) -> None:
        """Remove vectors."""
        if ids:
            self._asked(lambda: self._collection.delete(ids=list(ids)))

    def near(self, vector: Vectors, count: int) -> list[tuple[str, float]]:
        """The ids nearest to a vector with their cosine, best first."""

        def ask() -> list[tuple[str, float]]:
            found = self._collection.query(query_embeddings=vector[None, :], n_results=count, include=["distances"])
            distances = found["distances"]
            return [
                (id_, 1.0 - far) for id_, far in zip(found["ids"][0], distances[0] if distances else [], strict=True)
            ]

        return self._asked(ask)

    def vectors(self, ids: Sequence[str]) -> dict[str, Vectors]:
        """The vectors of those ids that are there."""

        def ask() -> dict[str, Vectors]:
            found = self._collection.get(ids=list(ids), include=["embeddings"])
            return dict(zip(found["ids"], np.asarray(found["embeddings"], np.float32), strict=True))

        return self._asked(ask) if ids else {}

    def forget_others(self) -> None:
        """Remove the collections of the same scope's former models."""

        mine = self._name.rpartition("-")[0]

        def ask() -> None:
            for one in self._client.list_collections():
                if one.name.startswith(mine) and one.name != self._name:
                    self._client.delete_collection(one.name)

        self._asked(ask)

    def _asked(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except Exception as error:
            raise StoreUnusable(f"the vectors cannot be read or written ({_line(error)})") from None


def _settings() -> Settings:
    return Settings(anonymized_telemetry=False)


def _server(url: str) -> ClientAPI:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url} is no address; write for example http://127.0.0.1:8000")
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    return chromadb.HttpClient(parts.hostname, port, ssl=secure, settings=_settings())


def _embedded(folder: Path) -> ClientAPI:
    """The store in a folder; what cannot be read is thrown away: everything in it is made again."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        client = chromadb.PersistentClient(folder, _settings())
        for one in client.list_collections():
            one.count()
    except Exception as error:
        log.warning("the vectors in %s cannot be read (%s); they are made again", folder, _line(error))
        SharedSystemClient.clear_system_cache()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        client = chromadb.PersistentClient(folder, _settings())
    return client


def _line(error: Exception) -> str:
    return (str(error).strip() or repr(error)).splitlines()[0][:200]
