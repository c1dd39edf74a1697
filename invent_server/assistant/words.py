"""Words of short support lines: folding, tokens with their place in the text, and a light stem for es and en."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources

_WORD = re.compile(r"[^\W_]+(?:['’`´][^\W_]+)*")
_APOSTROPHES = str.maketrans("", "", "'’`´")
_SPECIAL = str.maketrans({"ß": "ss", "æ": "ae", "ø": "o", "œ": "oe", "ł": "l"})
_BREAK = re.compile(r"[.,;:!?¡¿\n()…—–]|\s-\s")


@dataclass(frozen=True, slots=True)
class Token:
    """A folded word and where it stands in the text; `apart`: punctuation lies between it and the word before."""

    text: str
    start: int
    end: int
    apart: bool


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """Lower case, without accents and apostrophes: `¿Qué’s ` -> `ques`."""
    if text.isascii():
        return text.lower().translate(_APOSTROPHES)
    lowered = unicodedata.normalize("NFKD", text.lower().translate(_SPECIAL))
    return "".join(c for c in lowered if not unicodedata.combining(c)).translate(_APOSTROPHES)


def tokens(text: str) -> list[Token]:
    """The words and numbers of `text`, in order."""
    found: list[Token] = []
    last = 0
    for match in _WORD.finditer(text):
        apart = bool(found) and _BREAK.search(text, last, match.start()) is not None
        found.append(Token(fold(match[0]), match.start(), match.end(), apart))
        last = match.end()
    return found


def squeeze(word: str) -> str:
    """`word` with each run of a letter written once: `holaaa` -> `hola`, `hellooo` -> `helo`."""
    return re.sub(r"([^\W\d])\1+", r"\1", word)


# Longest first. Endings of number, gender and the commonest verb forms; a stem keeps at least three letters.
_ENDINGS = (
    "amientos", "imientos", "amiento", "imiento", "aciones", "uciones", "iciones", "ationen",
    "adores", "adoras", "ariamos", "abamos", "aremos", "ucion", "icion", "acion", "ation", "ments", "mente",
    "ieron", "iendo", "aste", "iste", "ador", "adora", "ando", "aron", "adas", "ados", "idas", "idos", "aban", "aran",
    "arme", "arlo", "arla", "arle", "erlo", "irlo", "amos", "emos", "imos", "asteis", "ais", "eis", "ment", "ings",
    "able", "ible", "ada", "ado", "ida", "ido", "aba", "ara", "ian", "ing", "ied", "ies",
    "ar", "er", "ir", "an", "en", "as", "es", "os", "ed", "ly", "ia", "io", "a", "e", "o", "s", "y", "n",
)  # fmt: skip


@lru_cache(maxsize=16_384)
def stem(word: str) -> str:
    """The trunk of a folded Spanish or English word: `devolución`, `devolver` -> `devol`; crude, the same each time."""
    if len(word) <= 3 or word.isdigit():
        return word
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def distance_one(one: str, other: str) -> bool:
    """True when a single letter is wrong, missing, added, or swapped with its neighbour."""
    if one == other:
        return False
    short, long = sorted((one, other), key=len)
    if len(long) - len(short) > 1:
        return False
    at = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    if len(short) < len(long):
        return short[at:] == long[at + 1 :]
    return short[at + 1 :] == long[at + 1 :] or (
        short[at : at + 2] == long[at : at + 2][::-1] and short[at + 2 :] == long[at + 2 :]
    )


@cache
def stop_words() -> frozenset[str]:
    """Folded words that say nothing about what a text is about."""
    return _reading("stop")


@cache
def number_words() -> frozenset[str]:
    """Folded words that ask for a number, a price or a time."""
    return _reading("counted")


def _reading(key: str) -> frozenset[str]:
    file = resources.files("config").joinpath("assistant", "reading.toml")
    data: dict[str, str] = tomllib.loads(file.read_text("utf-8"))
    return frozenset(data[key].split())
