"""The tantivy index: schema, passages in, candidates out. One owner; reads may run beside one writer."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from pathlib import Path

import orjson
import tantivy
from tantivy import Occur, Query, SchemaBuilder, TextAnalyzerBuilder, Tokenizer

from invent_server.knowledge.chunk import plain
from invent_server.knowledge.index.child.analysis import stem, tokens
from invent_server.knowledge.index.child.language import identify
from invent_server.knowledge.index.child.lexicon import concepts, signs
from invent_server.knowledge.types import Chunk

SCHEMA_VERSION = 2
"""Rises with any change of schema or analysis: an index of another version is wiped and built anew from SQL."""
GROUPS = ("es", "en", "xx")
"""Stems of different languages live in different fields, so that the rarity of a word is that in its language."""
NICE = 10
HEAP_BYTES = 15_000_000
MAX_INDEXED_WORDS = 2_000
MAX_PASSAGES = 10_000
"""Of one page."""


def group(lang: str) -> str:
    """The field group of a language."""
    return lang if lang in GROUPS else "xx"


@dataclass(frozen=True, slots=True)
class Passage:
    """A stored chunk with its analysed words: what scoring looks at.

    The fields hold their terms between spaces (see `framed_term`): a scan in C costs less than a set that is made for
    one search.
    """

    chunk: Chunk
    title: str
    body: str
    title_concepts: str
    body_concepts: str


def framed_term(term: str) -> str:
    """A term as it stands in the fields of a Passage."""
    return f" {term} "


def _schema() -> tantivy.Schema:
    builder = SchemaBuilder()
    for name in ("id", "page", "lang"):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    builder.add_bytes_field("payload", stored=True, indexed=False)
    for name in GROUPS:
        builder.add_text_field(f"title_{name}", tokenizer_name="whitespace", index_option="freq")
        builder.add_text_field(f"body_{name}", tokenizer_name="whitespace", index_option="freq")
    builder.add_text_field("title_concepts", tokenizer_name="whitespace", index_option="freq")
    builder.add_text_field("body_concepts", tokenizer_name="whitespace", index_option="freq")
    builder.add_text_field("surface", tokenizer_name="whitespace", index_option="basic")
    builder.add_text_field("grams", tokenizer_name="grams", index_option="freq")
    return builder.build()


def gram_analyzer() -> tantivy.TextAnalyzer:
    """Character 3-4-grams of a text that is folded and framed already."""
    return TextAnalyzerBuilder(Tokenizer.ngram(3, 4)).build()


def framed(words: Iterable[str]) -> str:
    """Words as the n-gram field holds them: `_` marks their borders."""
    return f"_{'_'.join(words)}_"


class Engine:
    """Opens or creates the index in a folder. Raises ValueError or OSError when what lies there is not ours."""

    def __init__(self, folder: Path) -> None:
        self.schema = _schema()
        self._index = tantivy.Index(self.schema, path=str(folder), reuse=True)
        self._index.register_tokenizer("whitespace", TextAnalyzerBuilder(Tokenizer.whitespace()).build())
        self._index.register_tokenizer("grams", gram_analyzer())
        with ThreadPoolExecutor(1) as pool:
            self._writer = pool.submit(self._make_writer).result()
        self.show()

    def _make_writer(self) -> tantivy.IndexWriter:
        """The engine's own threads inherit the priority of the thread that makes them: searches go before indexing."""
        if sys.platform == "linux":
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        return self._index.writer(HEAP_BYTES, 1)

    @property
    def size(self) -> int:
        """Passages that can be found."""
        return int(self._searcher.num_docs)

    def prepare(self, chunk: Chunk) -> tantivy.Document:
        """A chunk as a document; its language is identified when it brings none."""
        text = plain(chunk.text)
        head = f"{chunk.title} {plain(chunk.heading)}".strip()
        lang = chunk.lang or identify(f"{head}. {text}")
        head_words, body_words = tokens(head)[:MAX_INDEXED_WORDS], tokens(text)[:MAX_INDEXED_WORDS]
        head_stems, body_stems = [stem(w, lang) for w in head_words], [stem(w, lang) for w in body_words]
        head_concepts = [name for _, _, name in concepts(head_words, head_stems, lang)]
        body_concepts = [name for _, _, name in concepts(body_words, body_stems, lang)] + signs(text)
        document = tantivy.Document()
        document.add_text("id", chunk.id)
        document.add_text("page", chunk.page_id)
        document.add_text("lang", lang)
        document.add_text(f"title_{group(lang)}", " ".join(head_stems))
        document.add_text(f"body_{group(lang)}", " ".join(body_stems))
        document.add_text("title_concepts", " ".join(head_concepts))
        document.add_text("body_concepts", " ".join(body_concepts))
        document.add_text("surface", " ".join({*head_words, *body_words}))
        document.add_text("grams", framed([*head_words, *head_words, *body_words]))
        fields = (head_stems, body_stems, set(head_concepts), set(body_concepts))
        record = [*astuple(chunk)[:-1], lang, *(framed_term(" ".join(terms)) for terms in fields)]
        document.add_bytes("payload", orjson.dumps(record))
        return document

    def add(self, document: tantivy.Document) -> None:
        """Put a document into the next commit."""
        self._writer.add_document(document)

    def drop(self, page_id: str) -> None:
        """Take all passages of a page out with the next commit; those added after this call stay."""
        self._writer.delete_documents_by_term("page", page_id)

    def clear(self) -> None:
        """Take everything out with the next commit."""
        self._writer.delete_all_documents()

    def rollback(self) -> None:
        """Forget what was not committed."""
        self._writer.rollback()

    def commit(self) -> None:
        """Make everything since the last commit durable. Lets other threads run meanwhile."""
        self._writer.commit()

    def show(self) -> None:
        """Searches see the last commit from here on."""
        self._index.reload()
        self._searcher = self._index.searcher()
        self._languages = {term: count for term, count in self.terms("lang", "") if count}

    def close(self) -> None:
        """Wait for merges; the engine is unusable afterwards."""
        self._writer.wait_merging_threads()

    def frequency(self, field: str, term: str) -> int:
        """Passages that hold a term."""
        return int(self._searcher.doc_freq(field, term))

    def terms(self, field: str, prefix: str) -> list[tuple[str, int]]:
        """The vocabulary of a field that begins with `prefix`, with the number of passages."""
        return [(str(term), int(count)) for term, count in self._searcher.terms_with_prefix(field, prefix)]

    def any_of(self, terms: Sequence[tuple[str, str, float]]) -> Query:
        """A query for (field, term, boost): scores add up."""
        return Query.boolean_query([(Occur.Should, self._term(*term)) for term in terms])

    def best_of(self, terms: Sequence[tuple[str, str, float]]) -> Query:
        """A query for (field, term, boost): the best score counts."""
        return Query.disjunction_max_query([self._term(*term) for term in terms], 0.1)

    def all_of(self, queries: Sequence[Query]) -> Query:
        """The sum of several queries of which any may match."""
        return Query.boolean_query([(Occur.Should, query) for query in queries])

    def _term(self, field: str, term: str, boost: float) -> Query:
        query = Query.term_query(self.schema, field, term)
        return query if boost == 1.0 else Query.boost_query(query, boost)

    def search(self, query: Query, limit: int) -> list[tuple[float, tantivy.DocAddress]]:
        """The best passages of a query, best first."""
        return list(self._searcher.search(query, limit, count=False).hits)

    def passage(self, address: tantivy.DocAddress) -> Passage:
        """What is stored at an address of the last search."""
        payload: list[int] | bytes = self._searcher.doc(address).get_all("payload")[0]
        record = orjson.loads(bytes(payload))
        return Passage(Chunk(*record[:9]), *record[9:])

    def page(self, page_id: str, limit: int) -> list[tantivy.DocAddress]:
        """Addresses of a page's passages."""
        query = Query.term_query(self.schema, "page", page_id, "basic")
        return [address for _, address in self.search(query, limit)]

    def chunk(self, chunk_id: str) -> tantivy.DocAddress | None:
        """Where a passage stands; None when there is none with this id."""
        hits = self.search(Query.term_query(self.schema, "id", chunk_id, "basic"), 1)
        return hits[0][1] if hits else None

    def chunks(self, page_id: str) -> list[Chunk]:
        """All passages of a page."""
        return [self.passage(address).chunk for address in self.page(page_id, MAX_PASSAGES)]

    def pages(self) -> list[str]:
        """The ids of all pages."""
        return [term for term, count in self.terms("page", "") if count]

    def languages(self) -> dict[str, int]:
        """Passages per language."""
        return self._languages
