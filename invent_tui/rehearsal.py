"""What the instructions screen knows: seven texts, a customer's message, its answer then and anew. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from shared.instructions import EvaluationCase, EvaluationDone, Instructions, InstructionSection, ReplayAnswer
    from shared.models import Message

NAMES = ("voice", "tone", "goals", "flow", "restrictions", "guidelines", "escalation")
"""The sections in their order, as in shared/instructions.py (which is not loaded before the first paint)."""
SHOWN = 6


@dataclass(slots=True)
class Evaluation:
    """How far the comparison of draft and published version is. `cases`: the first that differ."""

    done: int = 0
    total: int = 0
    cases: list[EvaluationCase] = field(default_factory=list)
    result: EvaluationDone | None = None
    problem: str = ""

    def take(self, case: EvaluationCase) -> None:
        """One more message was answered under both."""
        self.done, self.total = case.done, case.total
        if case.difference and len(self.cases) < SHOWN:
            self.cases.append(case)


class Rehearsal:
    """`texts` are what stands in the editor; `base` the revision that each was begun with."""

    def __init__(self, chat_id: str, manager: bool) -> None:
        self.chat_id = chat_id
        self.manager = manager
        self.told: Instructions | None = None
        self.section = NAMES[0]
        self.texts: dict[str, str] = {}
        self.base: dict[str, int] = {}
        self.messages: list[Message] = []
        self._thread: list[Message] = []
        self.at = -1
        self.question = ""
        self.old: ReplayAnswer | None = None
        self.new: ReplayAnswer | None = None
        self.live = ""
        self.state: Literal["idle", "asking", "done", "failed"] = "idle"
        self.problem = ""
        self.evaluation: Evaluation | None = None

    # ------------------------------------------------------------------ sections

    def known(self, name: str) -> InstructionSection | None:
        """A section as the server told it."""
        return next((one for one in self.told.sections if one.section == name), None) if self.told else None

    def take(self, told: Instructions) -> None:
        """The draft as it stands on the server. What was typed here and not saved stays, with its old revision."""
        before = {one.section: one.text for one in self.told.sections} if self.told else {}
        self.told = told
        for one in told.sections:
            name = one.section
            if name not in self.texts or self.texts[name] == before.get(name):
                self.texts[name], self.base[name] = one.text, one.revision

    def took(self, section: InstructionSection, sent: str) -> None:
        """A section was saved; `sent` is the text that went there: what was typed meanwhile stays."""
        if self.told is not None:
            self.told.sections = [section if one.section == section.section else one for one in self.told.sections]
        self.base[section.section] = section.revision
        if self.texts.get(section.section) == sent:
            self.texts[section.section] = section.text

    def edited(self, name: str) -> bool:
        """What stands here is not what the server's draft says."""
        one = self.known(name)
        return one is not None and self.texts[name].strip() != one.text.strip()

    def changed(self, name: str) -> bool:
        """What stands here is not what is published."""
        one = self.known(name)
        return one is not None and self.texts[name].strip() != one.published.strip()

    @property
    def unsaved(self) -> list[str]:
        return [name for name in NAMES if self.edited(name)]

    @property
    def differs(self) -> bool:
        """There is something to publish."""
        return any(self.changed(name) for name in NAMES)

    def step(self, by: int) -> None:
        """To the next section, or the one before."""
        self.section = NAMES[(NAMES.index(self.section) + by) % len(NAMES)]

    # ------------------------------------------------------------------ message and answers

    def read(self, thread: list[Message]) -> None:
        """The conversation, oldest first: its customer's last message is chosen."""
        self._thread = [one for one in thread if one.kind in ("text", "media")]
        self.messages = [one for one in self._thread if one.author.kind == "customer" and one.text.strip()]
        self.choose(len(self.messages) - 1)

    @property
    def message(self) -> Message | None:
        """The customer's message that is answered anew."""
        return self.messages[self.at] if 0 <= self.at < len(self.messages) else None

    def choose(self, index: int) -> bool:
        """Look at another message. False: there is none there."""
        if not 0 <= index < len(self.messages) or index == self.at:
            return False
        self.at = index
        self.old = self.new = None
        self.live, self.state, self.problem = "", "idle", ""
        self.question = self.messages[index].text
        self.old = self._answered()
        return True

    def _answered(self) -> ReplayAnswer | None:
        """What the thread says; a replay brings the evidence, too."""
        from shared.instructions import ReplayAnswer

        after = (one for one in self._thread if self.message and one.seq > self.message.seq)
        said = next((one for one in after if one.author.kind != "customer"), None)
        if said is None:
            return None
        return ReplayAnswer(
            outcome=said.outcome,
            reason=said.reason or "",
            text=said.text,
            author=said.author.name if said.author.kind == "agent" else "",
            citations=said.citations,
            at=said.created_at,
        )

    def asking(self) -> None:
        """A replay begins; the answer before stays visible until the new one's first word."""
        self.state, self.problem, self.live = "asking", "", ""

    def done(self, new: ReplayAnswer) -> None:
        self.new, self.live, self.state = new, "", "done"

    def failed(self, problem: str) -> None:
        self.state, self.problem, self.live = "failed", problem, ""
