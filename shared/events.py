"""Frames from the server to agents' clients: one union on `type`.

State events carry `seq`: strictly rising, not contiguous. Live text (`token`, `token.end`) carries none: it is not
stored. A client ignores a type that it does not know (`parse` returns None).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from shared.instructions import Section
from shared.models import Conversation, Customer, Memory, Message, Notice, Wire
from shared.text import Body

STATE_TYPES = (
    "message.created",
    "message.updated",
    "conversation.updated",
    "customer.updated",
    "memory.updated",
    "knowledge.updated",
    "instructions.updated",
    "notice.updated",
    "presence",
)
EndReason = Literal["done", "superseded", "takeover", "failed"]


class Gone(Wire):
    """What is left of a removed or erased thing."""

    id: str
    deleted: Literal[True]


class HelloData(Wire):
    seq: int
    version: str = ""


class SeqData(Wire):
    seq: int


class TokenData(Wire):
    """The piece of the text of `message_id` that begins at character `offset`."""

    conversation_id: str
    message_id: str
    offset: int
    text: Body


class TokenEndData(Wire):
    conversation_id: str
    message_id: str
    reason: EndReason


class KnowledgeData(Wire):
    source_id: str | None = None
    page_id: str | None = None
    job_id: str | None = None
    state: str = ""
    done: int = 0
    total: int = 0


class InstructionsData(Wire):
    """`section` of the draft was changed; None: another version is published now."""

    assistant: str
    version: int
    section: Section | None = None


class PresenceData(Wire):
    """Which agents are connected, and which conversation each looks at."""

    agents: list[PresentAgent]


class PresentAgent(Wire):
    name: str
    conversation_id: str | None = None


class TypingData(Wire):
    conversation_id: str
    who: Literal["customer", "assistant", "agent"]
    name: str = ""
    on: bool


class Hello(Wire):
    type: Literal["hello"]
    data: HelloData


class Resync(Wire):
    type: Literal["resync"]
    data: SeqData


class _State(Wire):
    seq: int
    at: str


class MessageCreated(_State):
    type: Literal["message.created"]
    data: Message | Gone


class MessageUpdated(_State):
    type: Literal["message.updated"]
    data: Message | Gone


class ConversationUpdated(_State):
    type: Literal["conversation.updated"]
    data: Conversation | Gone


class CustomerUpdated(_State):
    type: Literal["customer.updated"]
    data: Customer | Gone


class MemoryUpdated(_State):
    type: Literal["memory.updated"]
    data: Memory | Gone


class KnowledgeUpdated(_State):
    type: Literal["knowledge.updated"]
    data: KnowledgeData


class InstructionsUpdated(_State):
    type: Literal["instructions.updated"]
    data: InstructionsData


class NoticeUpdated(_State):
    type: Literal["notice.updated"]
    data: Notice | Gone


class Presence(Wire):
    type: Literal["presence"]
    seq: int | None = None
    at: str | None = None
    data: PresenceData


class Token(Wire):
    type: Literal["token"]
    data: TokenData


class TokenEnd(Wire):
    type: Literal["token.end"]
    data: TokenEndData


class Typing(Wire):
    type: Literal["typing"]
    data: TypingData


Frame = Annotated[
    Hello
    | Resync
    | MessageCreated
    | MessageUpdated
    | ConversationUpdated
    | CustomerUpdated
    | MemoryUpdated
    | KnowledgeUpdated
    | InstructionsUpdated
    | NoticeUpdated
    | Presence
    | Token
    | TokenEnd
    | Typing,
    Field(discriminator="type"),
]

_frames: TypeAdapter[Frame] = TypeAdapter(Frame)


class _Typed(BaseModel):
    type: str


_KNOWN = {*STATE_TYPES, "hello", "resync", "token", "token.end", "typing"}


def parse(raw: str | bytes) -> Frame | None:
    """A frame from its JSON; None for a type of a newer server. Raises ValueError when it is malformed."""
    try:
        return _frames.validate_json(raw)
    except ValidationError:
        if _Typed.model_validate_json(raw).type not in _KNOWN:
            return None
        raise
