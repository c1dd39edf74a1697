"""What a channel is. Adding one = one module with a class like this and a line in `registry.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from shared.models import Message


@dataclass(frozen=True, slots=True)
class Sent:
    """The channel took it; `external_id` is its own id of the message."""

    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """Not now. `after` seconds if the channel said so."""

    error: str
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Never: the message or the recipient is wrong."""

    error: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may or may not have arrived (the answer was lost): shown to a person, never sent again blindly."""

    error: str


Result = Sent | Retry | Refused | Unknown


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to be sent, with what the channel needs to know."""

    message: Message
    inbox_id: str
    settings: Mapping[str, Any]
    """The inbox's settings, secrets in clear."""
    recipient: str
    """The customer's external id on this inbox."""
    customer_id: str
    in_reply_to: str | None


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One message in a webhook, as a channel parsed it."""

    external_id: str
    sender: str
    text: str
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    verified: bool = False
    sent_at: int | None = None
    attachments: tuple[dict[str, Any], ...] = field(default=())


class BadSignature(Exception):
    """The webhook is not from whom it says."""


class Malformed(Exception):
    """A webhook body that cannot be read; the message says where."""


class Channel(Protocol):
    """One kind of channel. `verify` and `parse` are pure."""

    kind: ClassVar[str]
    keys: ClassVar[tuple[str, ...]]
    """Settings that it takes."""
    secrets: ClassVar[tuple[str, ...]]
    """Those of them that are encrypted and never shown."""
    required: ClassVar[tuple[str, ...]]
    instant: ClassVar[bool]
    """True: a sent message is what the visitor's own page shows (the web); nothing leaves the server."""

    def verify(self, raw: bytes, headers: Mapping[str, str], settings: Mapping[str, Any]) -> None:
        """Raises BadSignature."""
        ...

    def parse(self, raw: bytes) -> list[InboundMessage]:
        """Raises Malformed."""
        ...

    async def send(self, outgoing: Outgoing) -> Result: ...
