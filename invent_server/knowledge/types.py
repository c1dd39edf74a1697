"""What knowledge is made of, between the server process and the index process. Plain data, no engine, no database."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage of a page as it is indexed: `title` of the page, `heading` path inside it, Markdown `text`."""

    id: str
    page_id: str
    source_id: str
    ordinal: int
    title: str
    heading: str
    text: str
    url: str | None
    lang: str

    @property
    def key(self) -> bool:
        """A question that the page answers: found like a passage, never quoted."""
        return self.ordinal < 0


@dataclass(frozen=True, slots=True)
class Found:
    """One hit: the best chunk of its page. Scores lie between 0 and 1."""

    chunk: Chunk
    score: float
    lexical: float | None = None
    ngram: float | None = None
    dense: float | None = None


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Hits, best first, one per page; `language` of the query; `evidence` = is the answer in the knowledge (0..1)?"""

    hits: tuple[Found, ...]
    language: str
    evidence: float
    ms: float


@dataclass(frozen=True, slots=True)
class DenseState:
    """How the vectors do: `done` of `total` passages have theirs. `model` empty: there is none, words alone answer."""

    model: str = ""
    ready: bool = False
    done: int = 0
    total: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class IndexState:
    """How the index process does. `revision` of the knowledge that it holds; None: it is empty and wants to be filled.

    `problem`: why it is away, in one line; None while it is well or starting for the first time.
    """

    ready: bool
    revision: int | None = None
    chunks: int = 0
    languages: tuple[str, ...] = ()
    problem: str | None = None
    dense: DenseState = DenseState()


class IndexUnavailable(Exception):
    """The index process is away (starting, rebuilding, dead): the caller goes on without it."""
