"""The agent's day, through the keys: read, take over, write, hand back, resolve, filter, and a line that breaks."""

from __future__ import annotations

from textual import events

from invent_tui.app import InventApp
from invent_tui.client import Client
from invent_tui.transcript import Pending
from shared import models as m
from tests.tui.company import company
from tests.tui.data import MINUTE, Data, at
from tests.tui.double import Double
from tests.tui.driving import ENVIRON, Driven, inbox

LUCIA = "co-000005"


async def open_lucia(one: Driven) -> None:
    one.screen.chats.put(LUCIA)
    await one.press("enter")
    await one.sees("Siento lo ocurrido", "Memories 3/30")


async def test_the_first_picture_answers_the_five_questions() -> None:
    async with inbox() as one:
        await one.sees("2 wait", "oldest 13m", "● live", "Waiting 2 · Mine 1 · Assistant 10")
        await one.press("enter")
        await one.sees("Tom Becker · email · !! waits for a person")
        await one.sees("Handed over: asked for a person", "Tom needs the invoice", "r writes to the customer", "✓✓")


async def test_the_order_of_need_and_the_groups() -> None:
    async with inbox() as one:
        listed = [line[1:38] for line in one.lines()]
        heads = [line.split("──")[1].strip() for line in listed if line.startswith("── ")]
        assert heads[:5] == ["waiting", "mine", "other agents", "assistant", "snoozed"]
        names = [one.screen.state.rows.chats[chat_id].customer.name for chat_id in one.screen.state.rows.order]
        assert names[:5] == ["Tom Becker", "Anaïs Morel", "Priya Nair", "Jonas Weiß", "Lucía Fernández"]


async def test_reading_marks_as_read_and_tells_colleagues() -> None:
    async with inbox() as one:
        await one.press("enter")
        await one.until(lambda: one.double.chats["co-000001"].unread == 0, "read")
        told = {"type": "viewing", "data": {"conversation_id": "co-000001"}}
        await one.until(lambda: told in one.double.heard, "viewing")


async def test_an_answer_streams_in() -> None:
    async with inbox() as one:
        await open_lucia(one)
        text = "Entendido. Puedo reembolsarte 18,90 € a la tarjeta terminada en 42. ¿Lo hago?"
        for offset in range(0, 40, 8):
            one.double.token(LUCIA, "live-1", offset, text[offset : offset + 8])
        await one.sees("Entendido. Puedo reembolsarte", "▍", "✦ the assistant is answering")
        one.double.say(LUCIA, text, "assistant", id="live-1")
        one.double.end(LUCIA, "live-1", "done")
        await one.sees("¿Lo hago?")
        await one.misses("▍")


async def test_taking_over_in_the_middle_of_an_answer() -> None:
    async with inbox() as one:
        one.double.slow["/takeover"] = 0.6
        await open_lucia(one)
        one.double.token(LUCIA, "live-1", 0, "Entendido. Puedo reem")
        await one.sees("Entendido. Puedo reem▍")
        await one.press("r")
        await one.type("Hola")  # the acknowledgement is still on its way
        assert one.screen.composer.text == "Hola"
        assert one.double.chats[LUCIA].handler == "assistant"
        await one.sees("taking over")
        await one.press("ctrl+j")
        await one.sees("you have this chat")
        await one.until(lambda: one.posted(f"{LUCIA}/messages") == [{"text": "Hola"}], "sent")
        await one.misses("reem▍")
        paths = [path.rsplit("/", 1)[1] for method, path, _ in one.double.requests if method == "POST"]
        assert paths.index("takeover") < paths.index("messages")


async def test_the_withdrawn_text_is_a_draft_that_can_be_taken() -> None:
    async with inbox() as one:
        await open_lucia(one)
        one.double.token(LUCIA, "live-1", 0, "Entendido. Puedo reem")
        await one.press("r")
        await one.sees("F2 inserts the draft", "Entendido. Puedo reem")
        assert one.screen.composer.text == ""
        await one.press("f2")
        assert one.screen.composer.text == "Entendido. Puedo reem"


async def test_keys_that_come_in_one_burst_go_where_they_belong() -> None:
    async with inbox() as one:
        one.screen.chats.put(LUCIA)
        for key, letter in (("r", "r"), ("a", "a"), ("j", "j"), ("H", "H"), ("ctrl+j", None), ("x", "x")):
            one.app.post_message(events.Key(key, letter))
        await one.until(lambda: one.posted(f"{LUCIA}/messages") == [{"text": "ajH"}], "sent")
        assert one.screen.composer.text == "x"


async def test_a_reply_can_be_taken_back() -> None:
    async with inbox(hold=30) as one:
        await open_lucia(one)
        await one.press("r")
        await one.type("too soon")
        await one.press("alt+enter")
        await one.sees("Sending to Lucía Fernández in ", " s · ctrl+z takes it back", "too soon")
        await one.press("ctrl+z")
        assert one.screen.composer.text == "too soon"
        await one.misses("Sending to")
        await one.press("ctrl+j", "escape", "u")
        assert one.screen.composer.text == "too soon"
        assert not one.posted("/messages")


async def test_leaving_sends_what_is_held() -> None:
    async with inbox(hold=30) as one:
        await open_lucia(one)
        await one.press("r")
        await one.type("bye")
        await one.press("ctrl+j", "escape", "escape", "q")
        await one.sees("Leave the inbox?")
        await one.press("y")
        await one.until(lambda: one.posted(f"{LUCIA}/messages"), "sent on leaving")
    assert one.app.return_value == 0


async def test_a_note_is_for_colleagues() -> None:
    async with inbox() as one:
        await open_lucia(one)
        await one.press("N")
        await one.sees("Note · only colleagues read it")
        await one.type("vip")
        await one.press("ctrl+j")
        await one.until(lambda: one.posted(f"{LUCIA}/notes") == [{"text": "vip"}], "noted")
        await one.sees("✎ marta")
        assert one.double.chats[LUCIA].handler == "assistant"


async def test_hand_back_and_resolve() -> None:
    async with inbox() as one:
        one.screen.chats.put("co-000003")
        await one.press("H")
        await one.sees("Handing back to the assistant · Priya Nair")
        await one.until(lambda: one.double.chats["co-000003"].handler == "assistant", "handed back")
        await one.press("H")
        await one.sees("The assistant has this chat already")
        await one.press("e")
        await one.until(lambda: one.double.chats["co-000003"].status == "closed", "resolved")
        await one.press("E")
        await one.until(lambda: one.double.chats["co-000003"].status == "open", "reopened")


async def test_a_resolve_can_be_taken_back() -> None:
    async with inbox(hold=30) as one:
        await one.press("e")
        await one.sees("Resolving · Tom Becker in ", "s · u takes it back")
        await one.press("u")
        await one.misses("Resolving")
        assert not one.posted("/resolve")


async def test_what_a_colleague_has_is_taken_only_after_a_question() -> None:
    async with inbox() as one:
        one.screen.chats.put("co-000004")
        await one.press("r")
        await one.sees("tom has the chat with Jonas Weiß. Take it over?")
        await one.press("escape")
        assert not one.posted("/takeover")
        await one.press("r")
        await one.press("y")
        await one.until(lambda: one.double.chats["co-000004"].assignee == "marta", "taken")
        assert one.posted("/takeover") == [{"force": True}]


async def test_a_race_for_a_chat_is_lost_with_a_word() -> None:
    async with inbox() as one:
        await open_lucia(one)
        chat = one.double.chats[LUCIA]
        one.double.chats[LUCIA] = chat.model_copy(update={"handler": "agent", "assignee": "tom"})  # no event yet
        await one.press("r")
        await one.sees("Another agent has the chat with Lucía Fernández.")


async def test_what_could_not_be_sent_stays_and_can_be_sent_again() -> None:
    async with inbox() as one:
        one.screen.chats.put("co-000003")
        await one.press("r")
        await one.type("hello")
        one.double.slow["/messages"] = 0
        thread = one.screen.state.thread
        assert thread is not None
        thread.pending.append(Pending("k", "lost words", False, "failed", "marta", at(one.double.now), "no line"))
        await one.press("escape")
        one.screen.thread.thread_changed()
        await one.sees("lost words", "not sent: no line")
        await one.press("R")
        await one.until(lambda: {"text": "lost words"} in one.posted("/messages"), "sent again")
        await one.misses("not sent")
        assert one.screen.composer.text == "hello"


async def test_the_filter() -> None:
    async with inbox() as one:
        await one.press("slash")
        await one.type("is:waiting")
        await one.sees("is:waiting", "1/2")
        assert len(one.screen.state.rows.order) == 2
        await one.type(" colour:red")
        await one.sees("^", "unknown key 'colour'")
        await one.press("escape")
        await one.sees("1/17")
        await one.press("slash")
        await one.type("invoice")
        await one.press("enter", "enter")  # the second one waits for the list
        await one.sees("Where is the invoice of order 41877?")


async def test_next_waiting_and_next_chat() -> None:
    async with inbox() as one:
        await one.press("n")
        await one.sees("Tom Becker · email")
        await one.press("n")
        await one.sees("Anaïs Morel · Instagram")
        await one.press("n")
        await one.sees("Tom Becker · email")
        await one.press("J", "J")
        await one.sees("Priya Nair · web")
        await one.press("K")
        await one.sees("Anaïs Morel · Instagram")


async def test_text_stays_with_its_chat() -> None:
    async with inbox() as one:
        one.screen.chats.put("co-000003")
        await one.press("r")
        await one.type("half a th")
        await one.press("escape", "K")
        assert one.screen.composer.text == ""
        await one.press("J")
        await one.sees("half a th")


async def test_new_needs_do_not_move_what_is_under_the_cursor() -> None:
    async with inbox(size=(120, 20)) as one:
        one.screen.chats.put(LUCIA)
        await one.pilot.pause()
        before = next(y for y, line in enumerate(one.lines()) if "▌" in line)
        for number in range(7, 11):
            one.double.change(
                f"co-00000{number}" if number < 10 else f"co-0000{number}",
                handler="queue",
                waiting_since=at(one.double.now),
            )
        await one.sees("6 wait")
        lines = one.lines()
        assert next(y for y, line in enumerate(lines) if "▌" in line) == before
        assert "Lucía" in lines[before]
        await one.sees("↑")


async def test_a_lost_line_is_shown_and_made_good() -> None:
    async with inbox() as one:
        await open_lucia(one)
        port = int(one.double.url.rsplit(":", 1)[1])
        await one.double.stop()
        await one.sees("○ reconnecting")
        one.double.say(LUCIA, "while you were away")
        await one.double.start(port=port)
        await one.sees("while you were away", "● live", seconds=8)
        await one.misses("reconnecting")


async def test_a_resync_fetches_everything_again() -> None:
    async with inbox() as one:
        await open_lucia(one)
        one.double.messages[LUCIA] += [
            m.Message(
                id="x",
                conversation_id=LUCIA,
                seq=9,
                author=m.Author(kind="customer", name="Lucía"),
                text="never told by an event",
                created_at=at(one.double.now),
            )
        ]
        one.double.push({"type": "resync", "data": {"seq": one.double.seq}})
        await one.sees("never told by an event")


async def test_the_token_runs_out() -> None:
    async with inbox() as one:
        one.double.secret = "another"
        await one.double.drop_lines()
        await one.until(lambda: one.app.return_code == 1, "the end", 8)
    assert one.app.problem == "the token is not valid any more"


async def test_a_server_that_never_comes() -> None:
    def broken() -> Client:
        raise RuntimeError("the server did not start: port 8080 is taken")

    app = InventApp(broken, environ=ENVIRON)
    async with app.run_test() as pilot:
        for _ in range(50):
            await pilot.pause(0.02)
            if app.return_code is not None and app.problem:
                break
    assert app.problem == "the server did not start: port 8080 is taken"
    assert app.return_code == 1


async def test_memories() -> None:
    async with inbox() as one:
        await open_lucia(one)
        await one.press("m")
        await one.until(lambda: one.screen.panel.target is not None, "a cursor on a memory")
        await one.press("p")
        await one.until(lambda: not one.double.memories["cu-lucia"][1].pinned, "unpinned")
        await one.press("A")
        await one.type("likes blue")
        await one.press("enter")
        await one.sees("What kind of memory?")
        await one.press("enter")
        await one.sees("Memories 4/30", "likes blue")
        await one.press("D")
        await one.sees("Forget it")
        await one.press("y")
        await one.sees("Memories 3/30")


async def test_snooze_assign_tags_priority() -> None:
    async with inbox() as one:
        await open_lucia(one)
        await one.press("t")
        await one.type("vip, #broken mug")
        await one.press("enter")
        await one.until(lambda: one.double.chats[LUCIA].tags == ["vip", "broken mug"], "tags")
        await one.press("P")
        await one.sees("urgent")
        await one.press("enter")
        await one.until(lambda: one.double.chats[LUCIA].priority == "urgent", "priority")
        await one.press("a")
        await one.sees("the queue: whoever is free", "tom · here")
        await one.press("j", "j", "enter")
        await one.until(lambda: one.double.chats[LUCIA].assignee == "tom", "assigned")
        await one.press("z")
        await one.sees("tomorrow morning")
        await one.press("enter")
        await one.until(lambda: one.double.chats[LUCIA].status == "snoozed", "snoozed")


async def test_suggestion_and_summary() -> None:
    async with inbox() as one:
        await open_lucia(one)
        await one.press("s")
        await one.sees("your parcel arrives tomorrow", "F2 inserts the draft")
        await one.press("f2")
        assert one.screen.composer.text == one.double.suggestion
        await one.press("escape", "S")
        await one.sees("Asked where the order is. Wants it before Friday.")


async def test_past_chats_open_from_the_panel() -> None:
    async with inbox() as one:
        await open_lucia(one)
        await one.press("3", "j", "j", "j", "enter")
        await one.sees("¿Cuánto tarda un envío?", "resolved · ★★★★★")


async def test_help_and_palette() -> None:
    async with inbox() as one:
        await one.press("question_mark")
        await one.sees("Take the chat over and write to the customer", "esc closes")
        await one.press("escape", "enter", "r", "f1")
        await one.sees("Put the grey draft into the text")
        await one.press("escape", "escape", "ctrl+p")
        await one.sees("Find an action")
        await one.type("snooze")
        await one.press("enter")
        await one.sees("tomorrow morning")


async def test_older_messages_come_while_scrolling_up() -> None:
    double = company()
    double.messages[LUCIA] = long_thread(double, 400)
    async with inbox(double) as one:
        one.screen.chats.put(LUCIA)
        await one.press("enter")
        await one.sees("line 400")
        assert "line 1 " not in one.text()
        for _ in range(6):
            await one.press("g")
            await one.pilot.pause(0.1)
        await one.sees("line 1 of many")
        await one.press("G")
        await one.sees("line 400")


async def test_who_reads_above_is_told_of_what_comes_below() -> None:
    double = company()
    double.messages[LUCIA] = long_thread(double, 100)
    async with inbox(double) as one:
        one.screen.chats.put(LUCIA)
        await one.press("enter")
        await one.sees("line 100")
        await one.press("pageup")
        await one.pilot.pause(0.2)
        before = one.lines()[5]
        one.double.say(LUCIA, "something new")
        await one.sees("↓ new messages below")
        assert one.lines()[5] == before
        await one.press("G")
        await one.sees("something new")
        await one.misses("new messages below")


def long_thread(double: Data, count: int) -> list[m.Message]:
    return [
        m.Message(
            id=f"l{number:05}",
            conversation_id=LUCIA,
            seq=number,
            author=m.Author(kind="customer", name="Lucía"),
            text=f"line {number} of many",
            created_at=at(double.now - (count - number) * MINUTE),
        )
        for number in range(1, count + 1)
    ]


async def test_one_pane_at_a_time_on_a_phone() -> None:
    async with inbox(size=(45, 20)) as one:
        await one.sees("Tom Becker")
        await one.press("enter")
        await one.sees("Tom Becker · mail · !!", "I want to talk to a person")
        assert "Priya" not in one.text()
        await one.press("c")
        await one.sees("Memories 0/30")
        await one.press("escape", "escape")
        await one.sees("Priya Nair")
        await one.press("r")
        await one.type("Hello from a phone")
        await one.sees("Hello from a phone", "Reply")
        await one.press("ctrl+j")
        await one.until(lambda: one.posted("/messages"), "sent")


async def test_over_ssh_nothing_is_started_here() -> None:
    async with inbox(remote=True) as one:
        await one.press("enter", "r", "f4")
        await one.sees("No editor over this connection")


async def test_a_pasted_text_is_cleaned() -> None:
    async with inbox() as one:
        await one.press("enter", "r")
        one.app.post_message(events.Paste("a\x1b]52;c;aGk=\x07b\x9bc"))
        await one.until(lambda: one.screen.composer.text, "pasted")
        assert "\x1b" not in one.screen.composer.text
        assert "\x9b" not in one.screen.composer.text


async def test_an_empty_inbox() -> None:
    async with inbox(Double()) as one:
        await one.sees("nobody waits", "Waiting 0 · Mine 0 · Assistant 0")
        for key in ("j", "k", "g", "G", "r", "e", "n", "enter", "m", "c", "H", "u", "J", "a"):
            await one.press(key)
        await one.sees("nobody waits")
