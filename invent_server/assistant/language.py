"""The language of a short line, from its commonest words and letters: microseconds, no model.

Support lines are short (`y para Portugal?`): a line that does not tell keeps the conversation's language.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from invent_server.assistant.words import tokens

_WORDS = 80  # of a long text are enough
_SURE = {"es": 0.9, "en": 0.9}  # lead over the next language, in words, from which a line decides by itself
_SURE_OTHERS = 1.9  # one stray word must not turn a Spanish or English chat into another language
_RELATED = {"ca": "es", "gl": "es", "eu": "es"}
"""Languages without a catalog whose speakers rather read another one than English."""

# First letters of a script that stands for one language in practice; checked only when few Latin words are there.
_SCRIPTS = (
    ("ja", 0x3040, 0x30FF), ("ko", 0xAC00, 0xD7AF), ("zh", 0x4E00, 0x9FFF), ("ru", 0x0400, 0x04FF),
    ("ar", 0x0600, 0x06FF), ("he", 0x0590, 0x05FF), ("el", 0x0370, 0x03FF), ("hi", 0x0900, 0x097F),
    ("th", 0x0E00, 0x0E7F),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Guess:
    """`language` is None when nothing speaks for any; `sure`: the line alone decides."""

    language: str | None
    sure: bool


def detect(text: str) -> Guess:
    """The language of `text`, judged by itself."""
    script = _script(text)
    if script:
        return Guess(script, True)
    weights, letters = _hints()
    scores: dict[str, float] = {}
    for token in tokens(text)[:_WORDS]:
        for language, weight in weights.get(token.text, {}).items():
            scores[language] = scores.get(language, 0.0) + weight
    for letter in text[:1000].lower():
        for language in letters.get(letter, ()):
            scores[language] = scores.get(language, 0.0) + 1.0 / len(letters[letter])
    if not scores:
        return Guess(None, False)
    ranked = sorted(scores.items(), key=lambda pair: -pair[1])
    second = ranked[1][1] if len(ranked) > 1 else 0.0
    if ranked[0][1] == second:
        return Guess(None, False)
    return Guess(ranked[0][0], ranked[0][1] - second >= _SURE.get(ranked[0][0], _SURE_OTHERS))


def of_lines(text: str, conversation: str | None, locale: str | None, default: str) -> str:
    """The language to speak in: a line that is sure, else the conversation's, a weak hint, the browser's, the default.

    Languages are two letters; a locale such as `es-MX` is shortened.
    """
    guess = detect(text)
    if guess.sure and guess.language:
        return guess.language
    return _short(conversation) or guess.language or _short(locale) or default


def spoken(language: str, catalogs: tuple[str, ...], default: str) -> str:
    """The language among `catalogs` in which a speaker of `language` is answered."""
    if language in catalogs:
        return language
    related = _RELATED.get(language)
    return related if related in catalogs else "en" if "en" in catalogs else default


def _short(locale: str | None) -> str | None:
    return locale.replace("_", "-").split("-")[0].lower() or None if locale else None


def _script(text: str) -> str | None:
    counts: dict[str, int] = {}
    others = 0
    for letter in text[:1000]:
        if letter.isalpha():
            code = ord(letter)
            found = next((name for name, low, high in _SCRIPTS if low <= code <= high), None) if code > 0x36F else None
            if found:
                counts[found] = counts.get(found, 0) + 1
            else:
                others += 1
    if not counts or sum(counts.values()) <= others:
        return None
    # Japanese is written with Chinese characters too: any kana tells it.
    return "ja" if "ja" in counts else max(counts, key=lambda name: counts[name])


@cache
def _hints() -> tuple[dict[str, dict[str, float]], dict[str, tuple[str, ...]]]:
    """Each word's weight for each language, and the languages that each letter speaks for."""
    file = resources.files("config").joinpath("assistant", "languages.toml")
    data = tomllib.loads(file.read_text("utf-8"))
    known: dict[str, set[str]] = {}
    letters: dict[str, tuple[str, ...]] = {}
    for language, hints in data.items():
        for word in hints["words"].split():
            known.setdefault(word, set()).add(language)
        for letter in hints["letters"]:
            letters[letter] = (*letters.get(letter, ()), language)
    # A word of two languages says little: halved again beyond its share.
    weights = {
        word: {language: 1.0 if len(languages) == 1 else 0.5 / len(languages) for language in languages}
        for word, languages in known.items()
    }
    return weights, letters
