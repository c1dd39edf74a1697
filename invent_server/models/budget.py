"""How many tokens a text costs, without the model's own tokenizer: rather too many than too few.

A prompt that does not fit is cut by Ollama without a word, the rules first; so it is made to fit before it is sent.
"""

from __future__ import annotations

import math

MARGIN = 128
"""Tokens kept free for the model's own template."""
PER_MESSAGE = 8


def tokens(text: str) -> int:
    """About three plain characters a token; other letters cost more, ideographs and emoji one each."""
    plain = sum(c < "\x80" for c in text) if not text.isascii() else len(text)
    wide = sum(c > "\u2e80" for c in text) if plain < len(text) else 0
    return math.ceil(plain / 3 + (len(text) - plain - wide) / 1.5 + wide * 1.2)
