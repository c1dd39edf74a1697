"""Articles of made-up text, as many chunks as wanted: words by Zipf's law, some of them of the demo's own articles."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from pathlib import Path

SECTIONS = 40
WORDS = 90
_DEMO = Path(__file__).parents[2] / "config" / "demo" / "knowledge" / "en"
_SYLLABLES = ("ba", "cor", "di", "fen", "gal", "hu", "jor", "ka", "lim", "mo", "nes", "pol", "ri", "sta", "tu", "vex")


def articles(chunks: int, seed: int = 1) -> Iterator[tuple[str, str]]:
    """Titles and Markdown; each section of an article becomes one chunk."""
    chance = random.Random(seed)
    made = ["".join(chance.choices(_SYLLABLES, k=chance.randint(2, 4))) for _ in range(8000)]
    text = " ".join(file.read_text("utf-8") for file in sorted(_DEMO.glob("*.md")))
    real = sorted({word.strip(".,:;?!()*#|\"'-").lower() for word in text.split()})
    words = [word for pair in itertools.zip_longest(made, real) for word in pair if word]
    weights = list(itertools.accumulate(1 / (rank + 5) for rank in range(len(words))))
    for start in range(0, chunks, SECTIONS):
        title = " ".join(chance.choices(made, k=3)).capitalize()
        parts = []
        for _ in range(min(SECTIONS, chunks - start)):
            found = chance.choices(words, cum_weights=weights, k=WORDS)
            sentences = (" ".join(found[at : at + 15]).capitalize() + "." for at in range(0, WORDS, 15))
            parts.append(f"## {' '.join(chance.choices(made, k=2))}\n\n{' '.join(sentences)}\n")
        yield title, "\n".join(parts)
