"""The instructions screen over a real server: edit, see the answer anew, publish, roll back; nothing typed is lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from invent_tui.app import InventApp
from invent_tui.client import Client
from invent_tui.screens.instructions import InstructionsScreen
from shared.clock import SystemClock
from tests.support.app import App, serving
from tests.support.databases import fresh
from tests.support.responders import Told
from tests.tui.driving import ENVIRON, Driven

BASE = "/api/v1/instructions"
LINE = "¿Cuánto cuesta el envío?"


class Open(Driven):
    """The inbox over a real server, with one chat, and its instructions open."""

    server: App
    responder: Told

    @property
    def told(self) -> InstructionsScreen:
        found = [one for one in self.app.screen_stack if isinstance(one, InstructionsScreen)]
        assert found
        return found[0]

    async def draft(self) -> dict[str, str]:
        _, found = await self.server.call("GET", BASE)
        return {one["section"]: one["text"] for one in found["sections"]}


@asynccontextmanager
async def opened(
    size: tuple[int, int] = (137, 40), language: str = "en", role: str = "manager", lines: tuple[str, ...] = (LINE,)
) -> AsyncIterator[Open]:
    responder = Told()
    with fresh("sqlite") as database:
        async with serving(database, responder, INVENT_LIMITS__VISITOR_MESSAGES="0") as server:
            await server.inbox()
            _, made = await server.call("POST", "/api/v1/agents", {"name": "ana", "role": role, "language": language})
            _, session = await server.call("POST", "/web/site/session", {"name": "Lucía"})
            for number, line in enumerate(lines):
                body = {"text": line, "client_id": f"c{number}"}
                await server.call("POST", "/web/site/messages", body, token=session["token"])
                path = f"/api/v1/conversations/{session['conversation_id']}"
                async with asyncio.timeout(10):
                    while (await server.call("GET", path))[1]["waiting_since"] is not None:  # noqa: ASYNC110
                        await asyncio.sleep(0.02)
            app = InventApp(lambda: Client(server.url, made["token"]), clock=SystemClock(), environ=ENVIRON)
            async with app.run_test(size=size, notifications=True) as pilot:
                one = Open(pilot, app, None)  # type: ignore[arg-type]
                one.server, one.responder = server, responder
                await one.until(lambda: one.screen.desk is not None and one.screen.desk.link == "live", "live")
                await one.sees("Lucía")
                await one.press("i")
                await one.until(lambda: one.told.state.told is not None, "the instructions")
                yield one


async def to(one: Open, section: str) -> None:
    """To a section of the editor, its text emptied."""
    while one.told.state.section != section:
        await one.press("tab")
    one.told.editor.clear()
    await one.pilot.pause()


async def test_edit_replay_publish_and_roll_back() -> None:
    async with opened() as one:
        await one.sees("Lucía · message of", "Instructions · Voice · v0", "then", "By: ", "to use it without a model")
        await to(one, "tone")
        await one.type("Ahoy.")
        await one.press("f5")
        await one.sees("By: Ahoy.", "anew draft", "version 0")
        assert one.responder.turns[-1].instructions.texts["tone"] == "Ahoy."
        assert one.responder.turns[-1].rehearsal
        await one.press("f8")
        await one.sees("Publish v1", "+ Ahoy.", "- Friendly")
        await one.type("like sailors")
        await one.press("enter")
        await one.sees("Instructions · Tone · v1", "Version 1 is in force")
        _, found = await one.server.call("GET", f"{BASE}/versions/1")
        assert (found["note"], found["author"], found["sections"]["tone"]) == ("like sailors", "ana", "Ahoy.")
        await one.press("f7")
        await one.sees("Versions · published: v1", "v1 ·", "like sailors", "what Invent brings")
        await one.press("down", "enter")
        await one.sees("Roll back to v0", "- Ahoy.")
        await one.press("enter")
        await one.sees("Instructions · Tone · v2", "Friendly, calm")
        await one.press("escape")
        await one.sees("Waiting")


async def test_tokens_are_seen_as_they_come() -> None:
    async with opened() as one:
        one.responder.pause = 0.15
        await one.press("f5")
        await one.sees("anew writing", "▍")
        await one.misses("▍")
        await one.sees("anew draft")


async def test_escape_keeps_the_draft_and_no_customer_sees_it() -> None:
    async with opened() as one:
        await to(one, "goals")
        await one.type("Unpublished.")
        await one.press("escape")
        await one.sees("Waiting")
        assert (await one.draft())["goals"] == "Unpublished."
        _, session = await one.server.call("POST", "/web/site/session", {})
        await one.server.call("POST", "/web/site/messages", {"text": "hi", "client_id": "z"}, token=session["token"])
        await one.until(lambda: one.responder.turns[-1].unanswered == ("hi",), "the turn")
        assert "Unpublished." not in json.dumps(dict(one.responder.turns[-1].instructions.texts))
        await one.press("i")
        await one.until(lambda: one.told.state.told is not None, "again")
        await one.sees("Goals*")


async def test_what_a_colleague_wrote_is_shown_and_never_overwritten() -> None:
    async with opened() as one:
        await one.server.call("PATCH", f"{BASE}/flow", {"text": "By the admin."})
        await to(one, "flow")
        await one.until(lambda: one.told.state.known("flow").text == "By the admin.", "theirs")  # type: ignore[union-attr]
        await one.type("Mine.")
        await one.server.call("PATCH", f"{BASE}/flow", {"text": "Theirs, later."})
        await one.sees("changed Flow meanwhile", "mine: Mine.", "theirs: Theirs, later.", seconds=6)
        assert (await one.draft())["flow"] == "Theirs, later."
        await one.press("enter")
        await one.until(lambda: not one.told.state.unsaved, "saved")
        assert (await one.draft())["flow"] == "Mine."


async def test_agents_replay_and_do_not_publish() -> None:
    async with opened(role="agent") as one:
        await to(one, "tone")
        await one.type("Mine alone.")
        await one.press("f5")
        await one.sees("By: Mine alone.")
        await one.press("f8")
        await one.sees("Only managers and admins")
        await one.press("escape")
        await one.sees("will be lost")
        await one.press("y")
        await one.sees("Waiting")
        assert "Mine alone." not in (await one.draft()).values()


async def test_what_cannot_be_saved_is_not_lost_unasked() -> None:
    async with opened() as one:
        await to(one, "tone")
        one.told.editor.insert("x" * 4100)
        await one.press("escape")
        await one.sees("Not saved: text: has 4,100 characters", "Your text will be lost")
        await one.press("n")
        await one.sees("Instructions · Tone")
        one.told.editor.load_text("Short.")
        await one.press("escape")
        await one.sees("Waiting")
        assert (await one.draft())["tone"] == "Short."


async def test_another_message_and_an_evaluation() -> None:
    async with opened(lines=("the first line", "the second line")) as one:
        await one.sees("2/2", "the second line")
        await one.press("f3")
        await one.sees("1/2", "the first line")
        await one.press("f2", "down")
        await one.sees("2/2", "the second line")
        await one.press("up", "f5")
        await one.until(lambda: one.told.state.state == "done", "done")
        assert one.responder.turns[-1].unanswered == ("the first line",)
        await one.press("f2")
        await to(one, "voice")
        await one.type("HANDOFF")
        await one.press("f6")
        await one.sees("2 messages · 0 the same · 2 changed", "answers → hands over")


async def test_an_evaluation_is_stopped() -> None:
    async with opened(lines=("one", "two", "three")) as one:
        one.responder.pause = 0.3
        await one.press("f6")
        await one.sees("F6 stops")
        await one.press("f6")
        await one.misses("F6 stops")
        asked = len(one.responder.turns)
        await asyncio.sleep(1.0)
        assert len(one.responder.turns) <= asked + 1, "the server went on"


async def test_a_failing_replay_says_so() -> None:
    async with opened() as one:
        one.responder.failures = 1
        await one.press("f5")
        await one.sees("anew no answer", "internal error")
        await one.press("f5")
        await one.sees("anew draft")


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("size", [(45, 20), (80, 24), (137, 40)])
async def test_every_size_in_both_languages(size: tuple[int, int], language: str) -> None:
    words = {
        "en": ("Instructions", "Voice", "anew draft"),
        "es": ("Instrucciones", "Voz", "ahora borrador"),
    }
    async with opened(size, language) as one:
        await one.sees(*words[language][:2])
        await one.press("f5")
        await one.sees(words[language][2], "By: ")
        if size[0] < 70:
            await one.misses(words[language][1])
            await one.press("escape")
            await one.sees(words[language][1])
        assert "1/7" in one.text() or "Restric" in one.text()
        await one.press("f1")
        await one.sees("F5")
