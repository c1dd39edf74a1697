"""Every table of the database; importing this package fills SQLModel.metadata."""

from invent_server.store.tables.base import Json, Micros
from invent_server.store.tables.conversations import (
    HIDDEN,
    Conversation,
    File,
    Message,
    Outbox,
    Prompt,
    Receipt,
    Turn,
    Work,
)
from invent_server.store.tables.instructions import InstructionDraft, InstructionVersion
from invent_server.store.tables.knowledge import Chunk, Job, Page, Source
from invent_server.store.tables.people import Customer, Identity, Memory
from invent_server.store.tables.stream import Counter, Event
from invent_server.store.tables.team import Agent, AgentInbox, AgentKey, AgentToken, Assistant, Idempotency, Inbox, Meta

__all__ = [
    "HIDDEN",
    "Agent",
    "AgentInbox",
    "AgentKey",
    "AgentToken",
    "Assistant",
    "Chunk",
    "Conversation",
    "Counter",
    "Customer",
    "Event",
    "File",
    "Idempotency",
    "Identity",
    "Inbox",
    "InstructionDraft",
    "InstructionVersion",
    "Job",
    "Json",
    "Memory",
    "Message",
    "Meta",
    "Micros",
    "Outbox",
    "Page",
    "Prompt",
    "Receipt",
    "Source",
    "Turn",
    "Work",
]
