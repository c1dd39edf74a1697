"""Request bodies and error codes of the API. Unknown keys are refused with 422."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.instructions import NOTE_LIMIT, SECTION_LIMIT, Section
from shared.models import MemoryType, Mode, Priority, Role

ERRORS: dict[str, int] = {
    "bad_request": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "identity_invalid": 403,
    "origin_refused": 403,
    "not_found": 404,
    "stale": 409,
    "not_handler": 409,
    "taken": 409,
    "closed": 409,
    "exists": 409,
    "too_large": 413,
    "invalid": 422,
    "slow_down": 429,
    "unavailable": 503,
}
"""Every error code that the API answers with, and its HTTP status."""

MESSAGE_LIMIT = 20_000
"""Longest text of one message, in characters."""

Text = Annotated[str, Field(min_length=1, max_length=MESSAGE_LIMIT)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


class Body(BaseModel):
    """Base of request bodies."""

    model_config = ConfigDict(extra="forbid")


class Command(Body):
    """A command on a conversation. With `version`, it holds only while the conversation has that version."""

    version: int | None = None


class Takeover(Command):
    force: bool = False


class Resolve(Command):
    reason: Annotated[str, Field(max_length=300)] | None = None


class Snooze(Command):
    until: str


class Assign(Command):
    agent: str | None


class Reply(Command):
    text: Text
    attachments: list[str] = Field(default_factory=list, max_length=10)


class Note(Command):
    text: Text
    attachments: list[str] = Field(default_factory=list, max_length=10)


class PatchConversation(Command):
    tags: list[Annotated[str, Field(min_length=1, max_length=50)]] | None = Field(default=None, max_length=30)
    priority: Priority | None = None


class StartConversation(Body):
    """An agent writes first."""

    inbox: str
    customer: str
    text: Text


class PostMemory(Body):
    text: Annotated[str, Field(min_length=1, max_length=200)]
    type: MemoryType = "fact"
    pinned: bool = False


class PatchMemory(Body):
    text: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    type: MemoryType | None = None
    pinned: bool | None = None


class PostSource(Body):
    """New knowledge. `text`: title and text. `file`: name and either text or base64 data.

    `origin`: where it is read from, such as a file's path. The same origin again is the same source, read anew.
    """

    kind: Literal["text", "file"]
    title: Annotated[str, Field(max_length=300)] | None = None
    text: str | None = None
    name: Annotated[str, Field(max_length=300)] | None = None
    data: str | None = None
    url: Annotated[str, Field(max_length=2000)] | None = None
    lang: Annotated[str, Field(pattern=r"^[a-z]{2}$")] | None = None
    origin: Annotated[str, Field(min_length=1, max_length=2000)] | None = None


class Reindex(Body):
    """Read again and index what changed. Without ids: everything."""

    page: str | None = None
    source: str | None = None


class AddAgent(Body):
    name: Slug
    role: Role = "agent"
    language: Annotated[str, Field(pattern=r"^[a-z]{2}$")] = "en"
    timezone: Annotated[str, Field(max_length=60)] = "UTC"
    inboxes: list[str] = Field(default_factory=list)


class PatchAgent(Body):
    role: Role | None = None
    language: Annotated[str, Field(pattern=r"^[a-z]{2}$")] | None = None
    timezone: Annotated[str, Field(max_length=60)] | None = None
    disabled: bool | None = None
    inboxes: list[str] | None = None


class AddKey(Body):
    key: Annotated[str, Field(max_length=100_000)]


class PatchAssistant(Body):
    name: Annotated[str, Field(min_length=1, max_length=80)] | None = None
    company: Annotated[str, Field(max_length=120)] | None = None
    language: Annotated[str, Field(pattern=r"^[a-z]{2}$")] | None = None


class Try(Body):
    """A question, as a customer would ask it."""

    text: Text
    language: Annotated[str, Field(pattern=r"^[a-z]{2}$")] | None = None


class SetupStep(Body):
    step: Slug


class AddChannel(Body):
    kind: str
    name: Slug
    settings: dict[str, str] = Field(default_factory=dict)
    assistant: str = "default"


class PatchChannel(Body):
    enabled: bool | None = None
    mode: Mode | None = None
    settings: dict[str, str] | None = None


class ModelName(Body):
    """A model by the name that Ollama knows, such as `qwen3:4b`."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,199}$")]


class EditInstructions(Body):
    """A section of the draft. With `revision` it holds only while the section has that one."""

    text: Annotated[str, Field(max_length=100_000)]
    revision: Annotated[int, Field(ge=0)] | None = None
    assistant: Slug = "default"


class PublishInstructions(Body):
    """The draft becomes the next version. With `revision` it holds only while the draft has that one."""

    note: Annotated[str, Field(max_length=NOTE_LIMIT)] = ""
    revision: Annotated[int, Field(ge=0)] | None = None
    assistant: Slug = "default"


class RollBackInstructions(Body):
    """An old version becomes the next one."""

    version: Annotated[int, Field(ge=0)]
    note: Annotated[str, Field(max_length=NOTE_LIMIT)] = ""
    assistant: Slug = "default"


SectionText = Annotated[str, Field(max_length=SECTION_LIMIT)]


class ReplayInstructions(Body):
    """Answer a customer's message anew: the one with `message_id`, or the last one of `conversation_id`.

    By the draft of its assistant, with `sections` instead of its own where given; or by the published `version`.
    """

    message_id: str | None = None
    conversation_id: str | None = None
    sections: dict[Section, SectionText] = Field(default_factory=dict)
    version: Annotated[int, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.message_id is None) == (self.conversation_id is None):
            raise ValueError("give either message_id or conversation_id")
        if self.version is not None and self.sections:
            raise ValueError("give either sections or version")
        return self


class EvaluateInstructions(Body):
    """Answer the last `last` messages by what is published and by the draft (with `sections` in it)."""

    last: Annotated[int, Field(ge=1, le=200)] = 20
    sections: dict[Section, SectionText] = Field(default_factory=dict)
    assistant: Slug = "default"


class Nothing(Body):
    """An empty body."""


class WebSession(Body):
    token: str | None = None
    user_id: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    user_hash: Annotated[str, Field(max_length=200)] | None = None
    name: Annotated[str, Field(max_length=2000)] | None = None
    email: Annotated[str, Field(max_length=320)] | None = None
    locale: Annotated[str, Field(max_length=35)] | None = None


class WebMessage(Body):
    """`text` may be empty when there are attachments."""

    text: Annotated[str, Field(max_length=MESSAGE_LIMIT)]
    client_id: Annotated[str, Field(min_length=1, max_length=100)]
    attachments: list[Annotated[str, Field(max_length=100)]] = Field(default_factory=list, max_length=10)


class WebCsat(Body):
    score: Annotated[int, Field(ge=1, le=5)]
    comment: Annotated[str, Field(max_length=2000)] | None = None
