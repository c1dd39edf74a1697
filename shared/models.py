"""The objects on the wire. Every text in them is clean by construction (shared/text.py), on both sides of the line.

Names and fields are fixed; /api/openapi.json shows them. Times are RFC 3339 UTC, ids are strings that sort by time.
"""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from shared.text import Body, Line

Handler = Literal["assistant", "queue", "agent"]
Status = Literal["open", "snoozed", "closed"]
Priority = Literal["low", "normal", "high", "urgent"]
Role = Literal["admin", "manager", "agent"]
AuthorKind = Literal["customer", "assistant", "agent", "system"]
MessageKind = Literal["text", "note", "whisper", "event", "action", "media"]
OutcomeKind = Literal["answer", "ask", "suggest", "act", "route", "handoff", "silence"]
DeliveryState = Literal["queued", "sending", "sent", "delivered", "read", "failed", "uncertain"]
MemoryType = Literal["language", "product_use", "issue", "goal", "preference", "fact"]
PageStatus = Literal["pending", "processing", "processed", "failed"]
JobState = Literal["queued", "running", "done", "failed", "cancelled", "held"]
Mode = Literal["automatic", "suggest", "humans_first", "off"]

Item = TypeVar("Item")


class Wire(BaseModel):
    """Base of what is sent: unknown fields of a newer peer are ignored."""

    model_config = ConfigDict(extra="ignore")


class Page(Wire, Generic[Item]):
    """One page of a list. `next_cursor` is None on the last page."""

    items: list[Item]
    next_cursor: str | None = None
    prev_cursor: str | None = None


class CustomerRef(Wire):
    id: str
    name: Line


class Intent(Wire):
    label: Line | None = None
    confidence: float = 0.0


class Author(Wire):
    kind: AuthorKind
    id: str | None = None
    name: Line = ""


class Attachment(Wire):
    """A file of a message. `inbox`: the web inbox whose visitors may fetch it; it stays on the server."""

    id: str
    name: Line
    type: Line
    size: int
    url: str | None = None
    state: Line = "stored"
    inbox: str = Field(default="", exclude=True)


class Citation(Wire):
    title: Line
    url: Line | None = None
    chunk_id: str


class Delivery(Wire):
    state: DeliveryState
    error: Line | None = None


class Message(Wire):
    """One line of a conversation. `seq` counts 1, 2, 3 by arrival inside the conversation."""

    id: str
    conversation_id: str
    seq: int
    author: Author
    kind: MessageKind = "text"
    text: Body
    language: str | None = None
    attachments: list[Attachment] = Field(default_factory=list)
    citations: list[Citation] = Field(default_factory=list)
    outcome: OutcomeKind | None = None
    reason: Line | None = None
    delivery: Delivery | None = None
    sent_at: str | None = None
    created_at: str


class LastMessage(Wire):
    """What a list row shows of the last visible message."""

    author: Author
    kind: MessageKind = "text"
    text: Line
    created_at: str


class Conversation(Wire):
    id: str
    inbox: str
    channel: str
    assistant: str
    customer: CustomerRef
    handler: Handler
    assignee: Line | None = None
    status: Status
    intent: Intent = Field(default_factory=Intent)
    priority: Priority = "normal"
    tags: list[Line] = Field(default_factory=list)
    language: str | None = None
    unread: int = 0
    version: int
    summary: Body = ""
    waiting_since: str | None = None
    csat: int | None = None
    last_message: LastMessage | None = None
    handoff_reason: Line | None = None
    handoff_detail: Line | None = None
    draft: Body = ""
    snoozed_until: str | None = None
    typing: bool = False
    created_at: str
    updated_at: str


class Counts(Wire):
    """How many conversations stand in each group; `mine` are the caller's own."""

    waiting: int = 0
    mine: int = 0
    agents: int = 0
    assistant: int = 0
    snoozed: int = 0
    closed: int = 0
    matching: int | None = None
    oldest_waiting_since: str | None = None


class Identity(Wire):
    inbox: str
    channel: str
    external_id: Line
    verified: bool


class Customer(Wire):
    id: str
    name: Line
    email: Line | None = None
    phone: Line | None = None
    language: str | None = None
    identities: list[Identity] = Field(default_factory=list)
    conversations: int = 0
    created_at: str
    updated_at: str


class Memory(Wire):
    id: str
    customer_id: str
    type: MemoryType
    text: Line
    pinned: bool = False
    author: Line = ""
    created_at: str
    updated_at: str


class Agent(Wire):
    id: str
    name: Line
    role: Role
    language: str
    timezone: str
    disabled: bool = False
    inboxes: list[str] = Field(default_factory=list)
    present: bool = False
    created_at: str


class AgentKey(Wire):
    """A public ssh key that opens an agent's inbox."""

    fingerprint: str
    type: str
    comment: Line = ""
    created_at: str
    used_at: str | None = None
    used_from: Line = ""


class AgentToken(Wire):
    """The answer of creating an agent or a token: the only time that the token is shown."""

    agent: Agent
    token: str


class Inbox(Wire):
    """One connected channel. Settings never contain a secret's value: only whether it is set."""

    id: str
    name: str
    kind: str
    assistant: str
    enabled: bool
    mode: Mode
    settings: dict[str, object]
    created_at: str


class Scores(Wire):
    """Parts of a hit's score, each between 0 and 1; None where a part did not run."""

    dense: float | None = None
    lexical: float | None = None
    ngram: float | None = None


class Hit(Wire):
    """One found chunk: the best of its page."""

    chunk_id: str
    page_id: str
    source_id: str
    title: Line
    url: Line | None = None
    text: Body
    lang: str | None = None
    score: float
    scores: Scores


class Source(Wire):
    id: str
    kind: Literal["text", "file", "url", "sitemap"]
    title: Line
    url: Line | None = None
    lang: str | None = None
    origin: Line | None = None
    pages: int = 0
    chunks: int = 0
    created_at: str
    updated_at: str


class KnowledgePage(Wire):
    id: str
    source_id: str
    title: Line
    url: Line | None = None
    lang: str | None = None
    status: PageStatus
    reason: Line | None = None
    chunks: int = 0
    uses: int = 0
    text: Body | None = None
    read_at: str | None = None


class Job(Wire):
    id: str
    kind: str
    state: JobState
    done: int
    total: int
    errors: int
    reason: Line | None = None
    created_at: str
    ended_at: str | None = None


class Accepted(Wire):
    """202: the thing made and the job that works on it."""

    id: str
    job: str


class Evidence(Wire):
    """One passage that a turn looked at, as the context panel shows it."""

    title: Line
    url: Line | None = None
    chunk_id: str
    score: float
    cited: bool = False
    text: Body = ""
    scores: dict[str, float] = Field(default_factory=dict)
    """Of each way to search: `dense`, `lexical`, `ngram`."""


class TraceStep(Wire):
    """One step of a message's way: when it began (also in milliseconds after the first step) and how long it took."""

    name: str
    at: str
    offset_ms: float = 0.0
    ms: float | None = None
    detail: dict[str, object] = Field(default_factory=dict)


class PromptPart(Wire):
    role: str
    text: Body


class Trace(Wire):
    """A message's way through the server, from the request that brought it to the receipt of its answer.

    `question`, `answer`: the customer's message and the reply that belong together; one of them is `message_id`.
    """

    message_id: str
    conversation_id: str = ""
    question: str | None = None
    answer: str | None = None
    engine: str = ""
    outcome: str | None = None
    reason: str | None = None
    detail: Line = ""
    intent: Intent = Field(default_factory=Intent)
    total_ms: float = 0.0
    """From the first step to the end of the last one."""
    steps: list[TraceStep]
    evidence: list[Evidence] = Field(default_factory=list)
    prompt: list[PromptPart] = Field(default_factory=list)
    """What a model was asked, as long as it is kept."""
    raw: Body | None = None
    """The webhook that brought the question, as long as it is kept."""


class Notice(Wire):
    """Something that needs a person; it disappears when it is solved."""

    id: str
    kind: str
    title: Line
    detail: Line = ""
    remedy: Line = ""
    conversation_id: str | None = None
    message_id: str | None = None
    at: str


class Suggestion(Wire):
    text: Body
    citations: list[Citation] = Field(default_factory=list)


class Summary(Wire):
    text: Body


class Me(Wire):
    """Who the token belongs to, and what the server is."""

    agent: Agent
    version: str
    seq: int
    engine: str
    company: Line = ""
    ssh_port: int = 0
    """Where the inbox opens over ssh; 0 = nowhere."""


class Assistant(Wire):
    """Who answers, and for whom."""

    slug: str
    name: Line
    company: Line = ""
    language: str
    model: Line = ""


class Tried(Wire):
    """What a customer would be answered; nothing was stored."""

    text: Body
    language: str | None = None
    citations: list[Citation] = Field(default_factory=list)
    outcome: OutcomeKind
    reason: Line
    detail: Line = ""


class Setup(Wire):
    """How far `invent setup` has come. `demo`: this directory holds the demo company."""

    demo: bool
    done: list[str]


class InstalledModel(Wire):
    """A model on the model server. `chat`: it can write answers. `remote`: it runs elsewhere, and texts go there."""

    name: Line
    size: int
    chat: bool
    remote: bool = False


class Pull(Wire):
    """A model that is being fetched, or was last. `problem` is empty while all is well."""

    name: Line
    status: Line
    done: int = 0
    total: int = 0
    ended: bool = False
    problem: Line = ""


class Models(Wire):
    """The model server and what is used of it. `problem`: why no model writes answers now.

    `version`: of the model server; empty while it does not answer.
    """

    host: Line
    version: Line = ""
    chat: Line
    ready: bool
    problem: Line
    embed: Line
    items: list[InstalledModel]
    pulls: list[Pull]


class ModelCheck(Wire):
    """How fast the model is on its machine: to the first word, reading a prompt, writing an answer."""

    model: Line
    context: int
    first_ms: float
    prompt_tokens: int
    prompt_tokens_per_second: float
    answer_tokens_per_second: float
    embed: Line = ""
    dimensions: int = 0


class File(Wire):
    """An uploaded file: its id goes into `attachments` of the next message."""

    id: str
    name: Line
    type: Line
    size: int


class Standing(Wire):
    """How a visitor's conversation stands. `away`: it waits for a person and nobody is there; `note`: when one
    will be; `email`: one is known.

    `rate`: it was closed and has not been rated since. `read`: the newest line of the customer that a person has read.
    """

    handler: Handler
    status: Status
    rate: bool = False
    read: int = 0
    away: bool = False
    note: Line = ""
    email: bool = False


class Widget(Wire):
    """What the launcher on a foreign page shows."""

    title: Line
    locale: str
    texts: dict[str, str]


class Session(Wire):
    """A visitor's session on the web."""

    token: str
    conversation_id: str
    customer_id: str
    expires_at: str
    greeting: Body
    locale: str


class ErrorBody(Wire):
    code: str
    message: str
    details: object = None


class Error(Wire):
    error: ErrorBody


Seq = Annotated[int, Field(ge=0)]
