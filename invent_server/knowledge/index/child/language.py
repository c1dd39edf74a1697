"""Which language is this? Letters and function words for a line of a few words, py3langid for what is longer."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from invent_server.knowledge.index.child.analysis import tokens, word_list
from invent_server.knowledge.index.child.lexicon import vocabulary

LANGUAGES = ("es", "en", "fr", "de", "pt", "it", "ca")
_SAMPLE = 1_500
_TELLING = 2.5
"""What one function word is worth, in units of the model's log likelihood per square root of a byte."""
_LETTERS = {
    "es": re.compile(r"[ñ¿¡]|ción\b|\b\w{3,}[aeáé]is\b"),
    "pt": re.compile(r"[ãõ]|ção\b"),
    "de": re.compile(r"[ßäö]"),
    "fr": re.compile(r"[èêùœ]|\b[ldjcnqs]'"),
    "ca": re.compile(r"l·l|ny\b|\b[ldsnm]'|ç"),
    "it": re.compile(r"[ìò]\b|\b(?:l|dell|un|all)'"),
}
_LETTER = 2.0
_CONVERSATION = 2.0
_KNOWN = 0.7
"""For a language that the knowledge is written in: customers come for what is there."""
_FALLBACK = "en"


@cache
def _model() -> LanguageIdentifier:
    """The model cut down to our languages: most of its memory belongs to the other 90."""
    full = LanguageIdentifier.from_model_file(MODEL_FILE)
    full.set_languages(LANGUAGES)
    return LanguageIdentifier(
        full.nb_ptc.copy(), full.nb_pc.copy(), list(full.nb_classes), full.tk_nextmove, full.tk_output,
        tk_row=full.tk_row,
    )  # fmt: skip


@cache
def _telling(lang: str) -> frozenset[str]:
    """Words that speak for a language."""
    return frozenset().union(*(word_list(lang, kind) for kind in ("hints", "stop", "weak")), vocabulary(lang))


def identify(text: str, hint: str | None = None, known: Collection[str] = ()) -> str:
    """The language of a text as a code of two letters; never fails.

    `hint`: the language of the conversation so far. It decides what the text itself leaves open (a name, a number).
    `known`: the languages of the knowledge.
    """
    sample = text[:_SAMPLE].lower()
    words = tokens(sample)
    if not words:
        return hint or _FALLBACK
    scores = dict.fromkeys(LANGUAGES, 0.0)
    size = len(sample.encode("utf-8", "replace"))
    ranked = _model().rank(sample.encode("utf-8", "replace").decode("utf-8"))
    best = ranked[0][1]
    for lang, score in ranked:
        scores[lang] += (score - best) / size**0.5
    for lang in LANGUAGES:
        telling = _telling(lang)
        scores[lang] += _TELLING * sum(word in telling for word in words) / len(words) ** 0.5
        scores[lang] += _KNOWN * (lang in known)
        if lang in _LETTERS and _LETTERS[lang].search(sample):
            scores[lang] += _LETTER
    if hint in scores:
        scores[hint] += _CONVERSATION / len(words) ** 0.5
    return max(LANGUAGES, key=lambda lang: scores[lang])
