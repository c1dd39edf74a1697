"""Text -> words and stems, the same for passages and questions. No engine's query language ever sees raw text."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources

import tantivy

_SHORT_PART = re.compile(r"\b([^\W_]{1,2})-(?=[^\W_])|(?<=[^\W_])-([^\W_]{1,2})\b", re.UNICODE)
_WORD = re.compile(r"[^\W_]+(?:[.'’][^\W_]+)*", re.UNICODE)
_STEMMERS = {
    "es": "spanish", "en": "english", "fr": "french", "de": "german", "pt": "portuguese", "it": "italian",
}  # fmt: skip
_VOWELS = re.compile(r"(?<![qg])ue|(?<!^)ie")
"""Spanish verbs change their vowel when it is stressed: devuelvo and devolver, pierdo and perder."""
MAX_WORD = 40
MAX_QUERY_CHARS = 2_000
MAX_QUERY_WORDS = 48
WEAK = 0.25


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a question: as typed but folded, its stem, and how much it says (0 = stop word, 1 = content).

    `everyday`: a word of general speech; that the knowledge lacks it says little.
    """

    text: str
    stem: str
    weight: float
    everyday: bool


def fold(text: str) -> str:
    """Lower case without accents; compatibility forms (full width, ligatures) become plain ones."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def tokens(text: str) -> list[str]:
    """The folded words of a text, in order. Inner points and apostrophes go: don't -> dont, 4.50 -> 450."""
    return [word.replace(".", "").replace("'", "").replace("’", "")[:MAX_WORD] for word in _WORD.findall(fold(text))]


@cache
def _stemmer(lang: str) -> tantivy.TextAnalyzer | None:
    name = _STEMMERS.get(lang)
    if name is None:
        return None
    return tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.raw()).filter(tantivy.Filter.stemmer(name)).build()


def _restored(word: str) -> str:
    if word.endswith("cion"):
        return word[:-2] + "ón"
    if word.endswith(("ais", "eis")):
        return f"{word[:-3]}{'á' if word[-3] == 'a' else 'é'}is"
    return word


@lru_cache(maxsize=20_000)
def stem(word: str, lang: str) -> str:
    """The stem of a folded word in a language (the word itself where there is no stemmer), without accents."""
    stemmer = _stemmer(lang)
    if stemmer is None or word[:1].isdigit():
        return word
    if lang in ("es", "pt") and len(word) > 5:
        # Customers leave accents out, and the rules for -ción and -áis need them: facturacion must meet facturar.
        word = _restored(word) if lang == "es" else re.sub("cao$", "ção", word)
    found = stemmer.analyze(word)
    base = fold(found[0]) if found else word
    return _VOWELS.sub(_plain_vowel, base, count=1) if lang == "es" and len(base) > 4 else base


def _plain_vowel(match: re.Match[str]) -> str:
    return "o" if match[0] == "ue" else "e"


def stems(text: str, lang: str) -> list[str]:
    """The stems of a text in order."""
    return [stem(word, lang) for word in tokens(text)]


@cache
def _table() -> dict[str, dict[str, frozenset[str]]]:
    raw = tomllib.loads(resources.files("config").joinpath("assistant/words.toml").read_text("utf-8"))
    return {lang: {kind: frozenset(tokens(words)) for kind, words in kinds.items()} for lang, kinds in raw.items()}


def word_list(lang: str, kind: str) -> frozenset[str]:
    """The `stop`, `weak` or `hints` words of a language; empty for a language without them."""
    return _table().get(lang, {}).get(kind, frozenset())


def weight(word: str, lang: str) -> float:
    """How much a folded word says about a question: 0, WEAK or 1. Unknown languages: what every list calls empty."""
    if len(word) == 1 and not word.isdigit():
        return 0.0
    stops, weaks = word_list(lang, "stop"), word_list(lang, "weak")
    if word in stops:
        return 0.0
    return WEAK if word in weaks or word[0].isdigit() else 1.0


@cache
def everyday_words(lang: str) -> frozenset[str]:
    """All words of general speech in a language."""
    return frozenset().union(*(word_list(lang, kind) for kind in ("stop", "weak", "common")))


@cache
def _everyday(lang: str) -> frozenset[str]:
    return frozenset(stem(word, lang) for word in word_list(lang, "common"))


def query_words(text: str, lang: str) -> list[Word]:
    """The distinct words of a question, stop words with weight 0; bounded for texts of any length."""
    found: dict[str, Word] = {}
    for word in tokens(text[:MAX_QUERY_CHARS]):
        if word not in found:
            base = stem(word, lang)
            found[word] = Word(word, base, weight(word, lang), base in _everyday(lang))
            if len(found) >= MAX_QUERY_WORDS:
                break
    return list(found.values())


def grams(words: list[str], least: int = 3, most: int = 5) -> list[str]:
    """Character n-grams inside word borders (`_` marks them), of folded words."""
    found: list[str] = []
    for word in words:
        framed = f"_{word}_"
        for size in range(least, most + 1):
            found.extend(framed[at : at + size] for at in range(max(len(framed) - size + 1, 0)))
    return found
