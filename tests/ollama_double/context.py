"""Token counts, the silent trap of a prompt that is too long, answers that fit a schema, and embeddings of words."""

from __future__ import annotations

import hashlib
import json
import math
import re
from typing import Any

from tests.ollama_double.model import Model

DEFAULT_CTX = 4096
KEPT = 4  # `num_keep`


class TooLong(Exception):
    """The prompt does not fit, and the model is one that says so."""


def tokens(text: str) -> int:
    """About four characters a token; words and punctuation count at least one each."""
    return sum(max(1, math.ceil(len(piece) / 4)) for piece in re.findall(r"\w+|[^\w\s]", text))


def _cost(message: dict[str, Any]) -> int:
    return tokens(str(message.get("content", ""))) + 4


def fit(model: Model, body: dict[str, Any]) -> tuple[list[dict[str, Any]], int]:
    """The messages that reach the model, and `prompt_eval_count`. Raises TooLong.

    Oldest first are dropped, but for system messages and the last one. If these alone do not fit: a native template
    refuses; a rendered one keeps four tokens and the tail, half a window.
    """
    window = min(int(body.get("options", {}).get("num_ctx", DEFAULT_CTX)), model.ctx)
    messages = list(body.get("messages") or [])
    while sum(map(_cost, messages)) > window:
        if body.get("truncate") is False:
            raise TooLong
        older = [one for one in messages[:-1] if one.get("role") != "system"]
        if not older:
            if model.template == "native":
                raise TooLong
            return _tail(messages, window // 2 - KEPT), window // 2
        messages.remove(older[0])
    return messages, sum(map(_cost, messages))


def _tail(messages: list[dict[str, Any]], left: int) -> list[dict[str, Any]]:
    """What is left of a prompt that was cut: its end, without a word about it."""
    last = messages[-1]
    return [{**last, "content": str(last.get("content", ""))[-left * 4 :]}]


def filled(schema: Any) -> Any:
    """A value that fits a JSON schema (objects, arrays, enums, plain types)."""
    if not isinstance(schema, dict):
        return {}
    if "enum" in schema:
        return schema["enum"][0]
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return filled(schema[key][0])
    match schema.get("type"):
        case "object":
            return {key: filled(value) for key, value in schema.get("properties", {}).items()}
        case "array":
            return [filled(schema.get("items", {}))] * max(1, int(schema.get("minItems", 1)))
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "null":
            return None
    return "text"


def formatted(wanted: Any, mode: str) -> str:
    """An answer in the format that was asked for, or wrong in one of the ways that models are."""
    text = json.dumps({"answer": "text"} if wanted == "json" else filled(wanted))
    return {
        "valid": text,
        "invalid": json.dumps({"unexpected": [1, 2, 3]}),
        "fenced": f"```json\n{text}\n```",
        "truncated": text[: max(1, len(text) * 2 // 3)],
        "thought_object": json.dumps({"thought": "let me think"}) + "\n" + text,
    }[mode]


def embedding(model: Model, text: str, dims: int) -> list[float]:
    """Hashed words and character 3-5-grams, of length 1: related texts are near. The model's name is the seed."""
    found = [0.0] * model.dims
    lowered = text.lower()
    for word in re.findall(r"\w+", lowered):
        grams = {word: 2.0} | {
            f"#{padded[i : i + n]}": 1.0
            for padded in (f" {word} ",)
            for n in (3, 4, 5)
            for i in range(len(padded) - n + 1)
        }
        for gram, weight in grams.items():
            digest = hashlib.blake2b(f"{model.name}/{gram}".encode(), digest_size=8).digest()
            found[int.from_bytes(digest[:4], "big") % model.dims] += weight if digest[4] & 1 else -weight
    found = found[:dims]
    length = math.sqrt(sum(value * value for value in found)) or 1.0
    return [value / length for value in found]
