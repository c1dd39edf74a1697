"""What the parts that handle vectors say to each other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from invent_server.knowledge.chunk import plain
from invent_server.knowledge.types import Chunk

Vectors = np.ndarray[Any, np.dtype[np.float32]]
"""One vector, or one per row; all of length 1."""


class ModelUnusable(Exception):
    """There are no vectors to be had from the model: the message says why, and the remedy."""


class StoreUnusable(Exception):
    """Chroma cannot be used: the message says why, in one line."""


class Embedder(Protocol):
    """What makes vectors."""

    name: str
    """As people know the model."""
    kind: str
    knows: frozenset[str] | None
    digest: str
    """Tells this model from all others: vectors of one are worth nothing to another."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """A row per text. Raises ModelUnusable."""
        ...


@dataclass(frozen=True, slots=True)
class Near:
    """What lies near a question. Passages and pages that are not named are farther away than `horizon`."""

    kind: str
    """Kind of the model: which weights hold for its cosines."""
    knows: frozenset[str] | None
    """Languages that the model was trained on; None: many."""
    passages: Mapping[str, float]
    """Passage id -> cosine."""
    pages: Mapping[str, float]
    """Page id -> cosine of its nearest passage, nearest page first."""
    nearest: Mapping[str, str]
    """Page id -> its nearest passage."""
    horizon: float
    titles: Callable[[Collection[str]], Mapping[str, float]]
    """The cosines of those titles that have a vector."""


def content(chunk: Chunk) -> str:
    """What of a passage is embedded: its place and its words. Of a question that an article answers, just that."""
    if chunk.key:
        return chunk.text
    return ". ".join(part for part in (chunk.title, plain(chunk.heading), plain(chunk.text)) if part)


def digest_of(text: str) -> str:
    """Another text, another vector: ids hold this, so none goes stale unseen."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def passage_id(chunk: Chunk) -> str:
    """The id of a passage's vector: passage, text, page."""
    return f"{chunk.id}:{digest_of(content(chunk))}:{chunk.page_id}"


def title_id(title: str) -> str:
    """The id of a title's vector."""
    return f"title:{digest_of(title)}"


def checked(found: Any, count: int, size: int | None, name: str) -> Vectors:
    """Rows as they came, of length 1. Raises ModelUnusable for what are no vectors of one size."""
    try:
        rows = np.asarray(found, np.float32)
    except (ValueError, TypeError):
        rows = np.zeros(0, np.float32)
    if rows.ndim != 2 or rows.shape[0] != count or not rows.shape[1]:
        raise ModelUnusable(f"{name} gave no vector of one size for each of {count} texts")
    if size is not None and rows.shape[1] != size:
        raise ModelUnusable(f"{name} gave vectors of {rows.shape[1]} numbers instead of {size}; is it the same model?")
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.isfinite(rows).all() or not (lengths > 0).all():
        raise ModelUnusable(f"{name} gave a vector that holds no numbers, or only zeros")
    unit: Vectors = rows / lengths
    return unit
