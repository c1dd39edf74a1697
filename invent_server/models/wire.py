"""Ollama on the wire: its address, its lines of JSON, its errors. Pure functions, but for the reading of bytes."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import orjson

from invent_server.models.errors import (
    ModelAway,
    ModelBroken,
    ModelBusy,
    ModelCrashed,
    ModelError,
    ModelMissing,
    ModelRefused,
)
from shared.text import clean_line

PORT = 11434
LINE_LIMIT = 1_048_576
"""Bytes of one line; a longer one is nonsense, and never held in memory."""
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - addresses to listen on; a client calls this machine


def base_url(host: str) -> str:
    """The address of `OLLAMA_HOST`, read as Ollama reads it: scheme, port and path are optional.

    A port that is none is taken for the default one, as Ollama does.
    """
    text = host.strip().strip("\"'")
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "http", text
    port = PORT if not separator else 443 if scheme == "https" else 80
    if rest.count(":") > 1 and not rest.startswith("["):
        rest = f"[{rest}]"  # a bare IPv6 address
    parts = urlsplit(f"//{rest}")
    try:
        port = parts.port or port
    except ValueError:
        port = PORT
    name = parts.hostname or "127.0.0.1"
    name = _ANYWHERE.get(name, name)
    return f"{scheme}://{f'[{name}]' if ':' in name else name}:{port}{parts.path.rstrip('/')}"


async def objects(chunks: AsyncIterator[bytes]) -> AsyncIterator[dict[str, Any]]:
    """The objects of a stream of JSON lines, however its bytes are cut. Raises ModelBroken, also for an `error` line.

    Lines end at \\n only: U+0085 and U+2028 stand unescaped inside the texts of models.
    """
    rest = bytearray()
    async for chunk in chunks:
        searched = len(rest)
        rest += chunk
        while (end := rest.find(b"\n", searched)) >= 0:
            line, rest, searched = bytes(rest[:end]), rest[end + 1 :], 0
            if line.strip():
                yield _object(line)
        if len(rest) > LINE_LIMIT:
            raise ModelBroken(f"the model server sent a line of more than {LINE_LIMIT // 1024} KiB")
    if rest.strip():
        yield _object(bytes(rest))


def _object(line: bytes) -> dict[str, Any]:
    if len(line) > LINE_LIMIT:
        raise ModelBroken(f"the model server sent a line of more than {LINE_LIMIT // 1024} KiB")
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise ModelBroken("the model server sent something that is no JSON") from None
    if not isinstance(found, dict):
        raise ModelBroken("the model server sent JSON that is no object")
    if "error" in found:
        raise failure(500, found["error"])
    return found


_NAMED = re.compile(r"""model ['"]([\w.:/-]{1,200})['"]""")


def failure(status: int, told: object) -> ModelError:
    """The error for a status and the server's own words."""
    words = clean_line(told if isinstance(told, str) else str(told), 300) or f"status {status}"
    if status == 404:
        name = found[1] if (found := _NAMED.search(words)) else "NAME"
        return ModelMissing(f"the model is not installed ({words}); invent models pull {name}")
    if status == 503:
        return ModelBusy(f"the model server is busy ({words})")
    if status == 403:
        return ModelAway("the model server refuses this address (403); see OLLAMA_HOST and OLLAMA_ORIGINS")
    if 400 <= status < 500:
        return ModelRefused(f"the model server refuses the request: {words}")
    if "unexpectedly stopped" in words:
        return ModelCrashed(f"the model's process ended: {words}")
    if "memory" in words:
        return ModelBroken(f"this machine lacks the memory: {words}; a smaller one: invent models use NAME")
    return ModelBroken(f"the model failed: {words}")


def told(raw: bytes) -> str:
    """The words of an error's body; empty when it says nothing."""
    try:
        found = orjson.loads(raw)
        return str(found["error"]) if isinstance(found, dict) and "error" in found else ""
    except orjson.JSONDecodeError:
        return raw[:300].decode("utf-8", "replace")
