"""The web: widget, embed, hosted page. Messages come in by the API under /web; sending = pushing to open sockets."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar

from invent_server.channels.base import BadSignature, InboundMessage, Outgoing, Result, Sent

ANY = "*"
ORIGIN = re.compile(r"https?://[a-z0-9.\-]+(:\d+)?|https?://\[[0-9a-f:.]+\](:\d+)?")


def origins(listed: object) -> list[str]:
    """The sites of `allowed_origins` (commas between), as browsers name them. Raises ValueError naming what is none."""
    found = [part.strip().lower().rstrip("/") for part in str(listed or "").split(",") if part.strip()]
    for one in found:
        if one != ANY and not ORIGIN.fullmatch(one):
            raise ValueError(f"{one!r} is no origin; write for example https://shop.example, without a path")
    return found


class Web:
    """`push(conversation_id)` returns when the visitor's open sockets have what is committed."""

    kind: ClassVar[str] = "web"
    keys: ClassVar[tuple[str, ...]] = ("allowed_origins", "identity_secret", "greeting")
    secrets: ClassVar[tuple[str, ...]] = ("identity_secret",)
    required: ClassVar[tuple[str, ...]] = ()
    instant: ClassVar[bool] = True

    def __init__(self, push: Callable[[str], Awaitable[None]]) -> None:
        self._push = push

    def verify(self, raw: bytes, headers: Mapping[str, str], settings: Mapping[str, Any]) -> None:
        raise BadSignature("a web inbox takes no webhooks")

    def parse(self, raw: bytes) -> list[InboundMessage]:
        return []

    async def send(self, outgoing: Outgoing) -> Result:
        await self._push(outgoing.message.conversation_id)
        return Sent()
