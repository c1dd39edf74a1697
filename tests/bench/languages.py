"""Distils the language model of py3langid (BSD-3-Clause) to what the index process needs.

`python -m tests.bench.languages --write` puts config/assistant/languages.tsv in place: the n-grams that tell our
languages apart, with their weights. The whole model costs the process 70 MB and half a second at its start; the table
costs 2 MB and knows nearly as much (printed). It needs the package py3langid and numpy, the product needs neither.
"""

from __future__ import annotations

import argparse
import math
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from invent_server.knowledge.index.child import language
from tests.bench.companies import COMPANIES, questions

TARGET = Path(__file__).parents[2] / "config" / "assistant" / "languages.tsv"
Floats = np.ndarray[Any, np.dtype[np.float64]]
SIZE = 12_000
HEAD = """\
# How much an n-gram speaks for a language, in eighths of a natural log, against the mean of these languages. Only the
# longest n-gram of the table that ends at a letter counts. Made by `python -m tests.bench.languages --write` from the
# model of py3langid, (c) 2011 Marco Lui, (c) 2021 Adrien Barbaresi, BSD-3-Clause licence.
"""
LINES = [
    ("où est ma commande", "fr"), ("je voudrais retourner un article", "fr"), ("combien coûte la livraison", "fr"),
    ("comment annuler mon abonnement", "fr"), ("wo ist mein paket", "de"), ("wie lange dauert der versand", "de"),
    ("ich möchte meine bestellung stornieren", "de"), ("kann ich mit karte zahlen", "de"),
    ("quanto custa o envio", "pt"), ("quero devolver o produto", "pt"), ("como cancelo a minha assinatura", "pt"),
    ("onde está a minha encomenda", "pt"), ("quanto costa la spedizione", "it"), ("dove si trova il mio pacco", "it"),
    ("vorrei restituire il prodotto", "it"), ("come posso annullare l'ordine", "it"),
    ("quant costa l'enviament", "ca"), ("vull tornar un producte", "ca"), ("com puc cancel·lar la comanda", "ca"),
    ("on és el meu paquet", "ca"),
]  # fmt: skip


def ngrams(model: LanguageIdentifier) -> dict[str, int]:
    """The n-grams of the model's automaton in small Latin letters -> their rows.

    The shortest way to a state names it.
    """
    names: dict[int, bytes] = {0: b""}
    found: dict[str, int] = {}
    todo = deque([0])
    while todo:
        state = todo.popleft()
        path = names[state]
        text = path.decode("utf-8", "replace")
        if text and model.tk_output[state] >= 0 and text == text.lower() and all(_telling(c) for c in text):
            found[text] = model.tk_output[state]
        for byte in range(256):
            after = model.tk_nextmove[(model.tk_row[state] << 8) + byte]
            if after not in names:
                names[after] = path + bytes([byte])
                todo.append(after)
    return found


def _telling(c: str) -> bool:
    return (c.isalpha() and ord(c) < 0x250) or c in " '’¿¡·-"


def worth(row: Floats) -> float:
    """How often an n-gram is met times how much it parts the languages."""
    ordered = np.sort(row)
    return float(math.exp(ordered[-1]) * (ordered[-1] - ordered[-2] + (ordered[-1] - row.mean()) / 2))


def main() -> None:
    """Make the table, say how well it does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    model = LanguageIdentifier.from_model_file(MODEL_FILE)
    model.set_languages(language.LANGUAGES)
    order = [model.nb_classes.index(lang) for lang in language.LANGUAGES]
    table = {name: model.nb_ptc[at].astype(np.float64)[order] for name, at in ngrams(model).items()}
    chosen = sorted(sorted(table, key=lambda name: -worth(table[name]))[:SIZE])
    rows = ["\t".join(("ngram", *language.LANGUAGES))]
    for name in chosen:
        weights = np.clip(np.round((table[name] - table[name].mean()) * 8), -127, 127).astype(int)
        rows.append("\t".join((name, *map(str, weights))))
    if given.write:
        TARGET.write_text(HEAD + "\n".join(rows) + "\n", "utf-8")
    asked = [(case.text, case.lang) for company in COMPANIES["tuning"] for case in questions(company)] + LINES
    print("py3langid alone", round(sum(model.classify(text)[0] == lang for text, lang in asked) / len(asked), 4))
    right = sum(language.identify(text, None, ("es", "en")) == lang for text, lang in asked)
    print("table and function words", round(right / len(asked), 4))


if __name__ == "__main__":
    main()
