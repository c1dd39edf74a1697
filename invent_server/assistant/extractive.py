"""The assistant without a model: small talk, the best passage quoted with its source, one question back, a person.

Every turn ends in one outcome with its reason; nothing is kept between turns but what stands in the conversation.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from invent_server.assistant import replies, thresholds
from invent_server.assistant.choosing import ASKED, REMINDED, Pending, choice, pending
from invent_server.assistant.hearing import Heard, follows, hear, leans, question_before
from invent_server.assistant.intents import intents
from invent_server.assistant.phrases import phrases
from invent_server.assistant.quoting import pieces
from invent_server.assistant.suggestion import PASSAGES, Search, citation, evidence, passage, written_in
from invent_server.assistant.summary import summarize
from invent_server.assistant.thinking import aside
from invent_server.assistant.types import Emit, Line, TurnInput, TurnResult
from invent_server.conversations.hours import away
from invent_server.knowledge.types import Found, IndexUnavailable, SearchResult
from shared.i18n import Texts
from shared.models import OutcomeKind
from shared.text import clean_line

_WIDER = 10  # passages looked through for the page that a customer chose
_OFFERED = {"greeting", "affirm", "rephrase", "are_you_bot", None}
_CLOSED = {"thanks", "goodbye", "declined"}


@dataclass(frozen=True, slots=True)
class Ground:
    """What an answer stands on: the passages (the best first), and the answer that only quotes the best one."""

    turn: TurnInput
    question: str
    hits: tuple[Found, ...]
    language: str
    quoted: TurnResult
    began: float
    """When the turn began, by `time.perf_counter`."""
    timings: dict[str, float]
    facts: dict[str, Any]
    """Whoever writes adds what he asked and how it went: see TurnResult."""


class Unanswered(Exception):
    """Whoever wrote the answer has none that may be given. Its text is the detail for colleagues."""

    reason = "no_evidence"


class Restricted(Unanswered):
    """The answer holds words that the instructions forbid."""

    reason = "restricted"


class Escalated(Unanswered):
    """The instructions want a person to answer."""

    reason = "escalation"


Writer = Callable[[Ground, Emit], Awaitable[TurnResult]]
"""Writes an answer from its ground. May raise Unanswered; what it emits is the answer's text."""


@dataclass(slots=True)
class _Turn:
    """One turn under way."""

    given: TurnInput
    heard: Heard
    tr: Texts
    last: Line | None
    """What the assistant said last."""
    emit: Emit
    began: float
    spoken: bool = False
    """Something of the answer was shown live."""
    timings: dict[str, float] = field(default_factory=dict)
    starts: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def took(self, step: str, began: float) -> None:
        """A step that began at `began` (by `time.perf_counter`) ends now."""
        self.starts.setdefault(step, round((began - self.began) * 1000, 3))
        self.timings[step] = round(self.timings.get(step, 0.0) + _ms(began), 3)


class Extractive:
    """A responder that says only what it knows: phrases of its own and quotes from the knowledge.

    With a `write` the answers that would be quotes are written by it; everything else stays as it is.
    """

    name = "extractive"

    def __init__(self, search: Search, write: Writer | None = None) -> None:
        self._search = search
        self._write = write
        phrases()  # compiled here, so that no turn waits for it
        intents().label("")

    async def __call__(self, turn: TurnInput, emit: Emit) -> TurnResult:
        began = time.perf_counter()
        heard = await aside(hear, turn, turn.company, turn.default_language)
        last = next((line for line in reversed(turn.history) if line.author == "assistant"), None)
        state = _Turn(turn, heard, replies.catalog(heard.language, turn.default_language), last, emit, began)
        state.took("understand", began)
        result = self._allowed(state, await self._decide(state))
        began = time.perf_counter()
        for piece in () if state.spoken else pieces(result.text):
            await emit(piece)
        state.took("speak", began)
        if result.outcome == "handoff":
            result = replace(result, summary=await self._summary(state))
        return replace(
            result,
            language=result.language or heard.language,
            intent=heard.intent.name,
            confidence=heard.intent.confidence,
            timings=state.timings,
            starts=state.starts,
            facts=state.facts,
            engine=result.engine or self.name,
        )

    def _allowed(self, state: _Turn, result: TurnResult) -> TurnResult:
        """`result`, or a person instead of words that the instructions forbid."""
        words = state.given.instructions.forbidden(result.text) if result.outcome != "handoff" else None
        if words is None:
            return result
        handoff = self._handoff(state, Restricted.reason, f"the answer would have said “{words}” (restrictions)")
        return replace(handoff, language=result.language, evidence=result.evidence)

    async def _decide(self, state: _Turn) -> TurnResult:
        heard = state.heard
        if heard.kind == "ask_human":
            return self._handoff(state, "asked_human", "the customer asked for a person")
        if heard.blank:
            return self._handoff(state, "no_text", "the customer sent something without text")
        if words := await aside(state.given.instructions.hand_over, state.given.unanswered):
            return self._handoff(state, Escalated.reason, f"the customer wrote “{words}” (escalation)")
        open_question = pending(state.given.history)
        try:
            if open_question is not None:
                chosen = await self._chosen(state, open_question)
                if chosen is not None:
                    return chosen
            if not heard.question:
                return self._small_talk(state, open_question)
            return await self._answer(state, may_ask=open_question is None)
        except IndexUnavailable:
            return self._handoff(state, "index_unavailable", "the search index is away")

    # ------------------------------------------------------------------------------------------------ small talk

    def _small_talk(self, state: _Turn, open_question: Pending | None) -> TurnResult:
        heard, tr, last = state.heard, state.tr, state.last
        reason = last.reason if last else None
        match heard.kind:
            case "greeting":
                again = any(line.author != "customer" for line in state.given.history)
                text = replies.greeting_again(tr) if again else replies.greeting(tr, state.given.company)
                own = "" if again else state.given.instructions.wording("greeting", tr.language)
                return _said(heard.kind, own or text)
            case "are_you_bot":
                return _said(heard.kind, replies.are_you_bot(tr, state.given.company))
            case "thanks" | "goodbye":
                if reason in _CLOSED:
                    return _silent(heard.kind)
                if heard.kind == "thanks":
                    return _said(heard.kind, replies.thanks(tr))
                own = state.given.instructions.wording("goodbye", tr.language)
                return _said(heard.kind, own or replies.goodbye(tr))
            case "negate":
                return self._refused(state, open_question)
        if open_question is not None:
            # Asked once more, then left alone: an `ok` is never a reason to call a person.
            return _silent(heard.kind) if reason == REMINDED else _said(REMINDED, replies.choose(tr), "ask")
        if last is not None and last.outcome == "ask":
            return _said("affirm", replies.tell_me(tr))
        if heard.kind == "affirm" and reason in _OFFERED:
            return _said("affirm", replies.tell_me(tr))
        return _silent(heard.kind)

    def _refused(self, state: _Turn, open_question: Pending | None) -> TurnResult:
        """A no: to a question back, to an answer, or just the end of the chat."""
        last = state.last
        if state.heard.declined and open_question is None:
            return _silent("negate") if last and last.reason in _CLOSED else _closing(state.tr)
        if open_question is not None or (last and last.reason == "rephrase"):
            return self._handoff(state, "unclear", "the customer found nothing in what the assistant offered")
        if last and last.outcome == "answer" and last.reason == "found":
            return _said("rephrase", replies.rephrase(state.tr), "ask")
        if last is None:
            return _said("negate", replies.tell_me(state.tr))
        return _closing(state.tr)

    # -------------------------------------------------------------------------------------------------- questions

    async def _answer(self, state: _Turn, may_ask: bool) -> TurnResult:
        question, found = await self._found(state)
        state.facts["retrieval"] = {
            "evidence": round(found.evidence, 4),
            "needed": thresholds.ANSWER,
            "hits": len(found.hits),
        }
        language = self._language(state, found)
        state.tr = replies.catalog(language, state.given.default_language)
        outside = state.heard.intent.outside and found.evidence < thresholds.OUTSIDE
        if not found.hits or found.evidence < thresholds.ASK or outside:
            return self._no_answer(state, found, language, may_ask)
        if found.evidence >= thresholds.ANSWER:
            return await self._answered(state, question, found, found.hits[0], language)
        rivals = _rivals(found)
        if may_ask and len(rivals) > 1:
            text = replies.which(state.tr, [clean_line(hit.chunk.title) for hit in rivals])
            detail = f"{len(rivals)} pages are close (evidence {found.evidence:.2f})"
            return TurnResult("ask", ASKED, detail, text, language, evidence=evidence(found.hits, None))
        return self._no_answer(state, found, language, may_ask)

    def _no_answer(self, state: _Turn, found: SearchResult, language: str, may_ask: bool) -> TurnResult:
        best = f"evidence {found.evidence:.2f}, {thresholds.ANSWER:.2f} needed" if found.hits else "no page matches"
        if may_ask:
            result = self._handoff(state, "no_evidence", f"the knowledge has no sure answer ({best})")
        else:
            result = self._handoff(state, "unclear", f"still unclear after a question back ({best})")
        return replace(result, language=language, evidence=evidence(found.hits, None))

    async def _found(self, state: _Turn) -> tuple[str, SearchResult]:
        """The question and what the index says; a short line is also asked together with the question before it."""
        question = state.heard.question
        alone = await self._ask_index(state, question)
        before = question_before(state.given.history) if leans(question) else ""
        if not before:
            return question, alone
        together = f"{before} {question}"
        both = await self._ask_index(state, together)
        lead = thresholds.FOLLOW_UP if follows(question) else -thresholds.FOLLOW_UP
        return (question, alone) if alone.evidence >= both.evidence + lead else (together, both)

    async def _ask_index(self, state: _Turn, query: str, k: int = PASSAGES) -> SearchResult:
        began = time.perf_counter()
        try:
            hint = state.heard.language if state.heard.sure else state.given.language
            return await self._search(query, k=k, lang=hint)
        finally:
            state.took("search", began)

    def _language(self, state: _Turn, found: SearchResult) -> str:
        """The language of the reply: the lines' own, or, when they do not tell, what the index heard."""
        if state.heard.sure or state.given.language:
            return state.heard.language
        return found.language or state.heard.language

    async def _answered(
        self, state: _Turn, question: str, found: SearchResult, hit: Found, language: str
    ) -> TurnResult:
        """The answer: written if there is a writer, else quoted."""
        quoted = self._quoted(state, question, found, hit, language)
        if self._write is None:
            return quoted

        async def speak(piece: str) -> None:
            state.spoken = True
            await state.emit(piece)

        given, hits = state.given, _first(hit, found.hits)
        began = time.perf_counter()
        try:
            return await self._write(
                Ground(given, question, hits, language, quoted, state.began, state.timings, state.facts), speak
            )
        except Unanswered as reason:
            handoff = self._handoff(state, reason.reason, f"{reason} (evidence {found.evidence:.2f})")
            return replace(handoff, language=language, evidence=evidence(found.hits, None))
        finally:
            state.took("write", began)

    def _quoted(self, state: _Turn, question: str, found: SearchResult, hit: Found, language: str) -> TurnResult:
        began = time.perf_counter()
        chunk = hit.chunk
        text = passage(question, chunk) or clean_line(chunk.title)
        source = written_in(chunk)
        if source and source != language:
            only = all(written_in(other.chunk) != language for other in found.hits)
            text = f"{replies.in_another_language(state.tr, source, only)}\n\n{text}"
        state.took("quote", began)
        return TurnResult(
            "answer",
            "found",
            f"quoted “{clean_line(chunk.title)}” (evidence {found.evidence:.2f})",
            text,
            language,
            citations=(citation(chunk),),
            evidence=evidence(_first(hit, found.hits), chunk.id),
        )

    async def _chosen(self, state: _Turn, open_question: Pending) -> TurnResult | None:
        """The answer from the page that the customer chose; None when the line is no choice."""
        line = " ".join(state.given.unanswered)
        index = choice(line, open_question.titles)
        if index is None:
            return None
        if index < 0:
            return self._handoff(state, "unclear", "none of the offered pages is what the customer means")
        title = open_question.titles[index]
        question = question_before(tuple(Line("customer", text) for text in open_question.question))
        for query in (question, f"{title} {question}".strip(), title):
            found = await self._ask_index(state, query, _WIDER) if query else None
            hit = next((hit for hit in found.hits if clean_line(hit.chunk.title) == title), None) if found else None
            if found is not None and hit is not None:
                language = state.given.language or state.heard.language
                state.tr = replies.catalog(language, state.given.default_language)
                return await self._answered(state, question, found, hit, language)
        return self._handoff(state, "unclear", "the page that the customer chose is gone")

    # ---------------------------------------------------------------------------------------------------- a person

    def _handoff(self, state: _Turn, reason: str, detail: str) -> TurnResult:
        back = away(state.tr, state.given.hours, state.given.at)
        return TurnResult("handoff", reason, detail, replies.handoff(state.tr, reason, back))

    async def _summary(self, state: _Turn) -> str:
        began = time.perf_counter()
        lines = (*state.given.history, *(Line("customer", text) for text in state.given.unanswered))
        summary = await aside(summarize, lines, state.tr.language)
        state.took("summary", began)
        return summary


_DETAILS: Mapping[str, str] = {
    "greeting": "a greeting",
    "thanks": "thanks",
    "goodbye": "a goodbye",
    "ack": "an acknowledgement",
    "emoji": "no words",
    "affirm": "a yes",
    "negate": "a no",
    "declined": "a friendly no",
    "are_you_bot": "asked whether this is a machine",
    "rephrase": "the answer was not what the customer meant",
    REMINDED: "reminded of the question back",
}


def _said(reason: str, text: str, outcome: OutcomeKind = "answer") -> TurnResult:
    return TurnResult(outcome, reason, _DETAILS[reason], text)


def _silent(reason: str) -> TurnResult:
    return TurnResult("silence", reason, f"{_DETAILS[reason]}: nothing to say")


def _closing(tr: Texts) -> TurnResult:
    return _said("declined", replies.declined(tr))


def _rivals(found: SearchResult) -> list[Found]:
    """The best pages that are close to each other, of one language (a translation is no other answer)."""
    best = found.hits[0]
    rivals: list[Found] = []
    for hit in found.hits:
        close = hit.score >= thresholds.CLOSE * best.score and hit.chunk.lang == best.chunk.lang
        if close and all(clean_line(hit.chunk.title) != clean_line(other.chunk.title) for other in rivals):
            rivals.append(hit)
    return rivals[: thresholds.CANDIDATES]


def _first(hit: Found, hits: tuple[Found, ...]) -> tuple[Found, ...]:
    return (hit, *(other for other in hits if other is not hit))


def _ms(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 3)
