"""THE table of what can be done: bindings, footer, command palette and help overlay all come from it. Pure.

An action is never hidden: where it cannot be done now, `why_not` says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

Context = Literal["list", "thread", "context", "composer", "filter", "section", "answers"]
READ: tuple[Context, ...] = ("list", "thread", "context")
INBOX: tuple[Context, ...] = (*READ, "composer", "filter")
TEACH: tuple[Context, ...] = ("section", "answers")
"""The instructions screen: its editor, and the message with its answers."""
EVERY: tuple[Context, ...] = (*INBOX, *TEACH)
TYPED: tuple[Context, ...] = ("composer", "filter", "section")
"""Where letters are text."""


def _(text: str) -> str:
    """Marks a text for translation; it is translated where it is shown."""
    return text


@dataclass(frozen=True, slots=True)
class Situation:
    """What decides whether an action can be done now. `chat`: there is one under the cursor or open.

    Of the instructions screen: `told`, they are loaded; `changed`, the draft is not what is published; `message`, one
    of the customer's is chosen.
    """

    chat: bool = False
    mine: bool = False
    assistant: bool = False
    closed: bool = False
    snoozed: bool = False
    undoable: bool = False
    failed: bool = False
    draft: bool = False
    text: bool = False
    memory: bool = False
    customer: bool = False
    remote: bool = False
    live: bool = True
    manager: bool = False
    changed: bool = False
    message: bool = False
    told: bool = False


Why = Callable[[Situation], str | None]


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that can be done. Labels and helps are message ids. `hint`: rank in the footer, 0 = never there."""

    id: str
    label: str
    help: str
    contexts: tuple[Context, ...]
    why_not: Why
    hint: int = 0

    def possible(self, situation: Situation) -> bool:
        """It can be done now."""
        return self.why_not(situation) is None


def _always(_: Situation) -> str | None:
    return None


def _chat(now: Situation) -> str | None:
    return None if now.chat else _("There is no conversation here")


def _open(now: Situation) -> str | None:
    return _chat(now) or (_("This conversation is closed") if now.closed else None)


def _hand_back(now: Situation) -> str | None:
    if now.assistant and not now.closed:
        return _("The assistant has this chat already")
    return _open(now)


def _reopen(now: Situation) -> str | None:
    return _chat(now) or (None if now.closed or now.snoozed else _("This conversation is open"))


def _undo(now: Situation) -> str | None:
    return None if now.undoable else _("There is nothing to take back")


def _failed(now: Situation) -> str | None:
    return None if now.failed else _("Everything has been sent")


def _customer(now: Situation) -> str | None:
    return None if now.customer else _("Open a conversation first")


def _memory(now: Situation) -> str | None:
    return None if now.memory else _("Put the cursor on a memory first")


def _text(now: Situation) -> str | None:
    return None if now.text else _("There is nothing to send yet")


def _draft(now: Situation) -> str | None:
    return None if now.draft else _("There is no draft; F3 asks for a suggestion")


def _editor(now: Situation) -> str | None:
    return _("No editor over this connection") if now.remote else None


def _told(now: Situation) -> str | None:
    return None if now.told else _("The instructions have not come yet")


def _replay(now: Situation) -> str | None:
    return _told(now) or (None if now.message else _("The customer has written nothing yet"))


def _manage(now: Situation) -> str | None:
    return _told(now) or (None if now.manager else _("Only managers and admins do this; you can replay"))


def _publish(now: Situation) -> str | None:
    return _manage(now) or (None if now.changed else _("The draft is what is published"))


ACTIONS: tuple[Action, ...] = (
    Action("reply", _("reply"), _("Take the chat over and write to the customer"), READ, _open, 1),
    Action("hand_back", _("hand back"), _("Let the assistant speak again"), READ, _hand_back, 2),
    Action("resolve", _("resolve"), _("Close the conversation"), READ, _open, 3),
    Action("note", _("note"), _("Write for colleagues only"), READ, _chat, 6),
    Action("next_waiting", _("next waiting"), _("Open the next chat that waits for a person"), READ, _always, 4),
    Action("open", _("open"), _("Read the conversation under the cursor"), ("list",), _chat, 5),
    Action("instructions", _("instructions"), _("Edit what the assistant is told, beside this chat"), READ, _chat, 5),
    Action("suggestion", _("suggestion"), _("Ask the assistant for a reply to edit"), READ, _open, 7),
    Action("trace", _("trace"), _("Show the way of a message: what was done, why, how long"), READ, _chat),
    Action("summary", _("summary"), _("Ask for a summary of the chat"), READ, _chat),
    Action("assign", _("assign"), _("Give the chat to a colleague or to the queue"), READ, _open),
    Action("snooze", _("snooze"), _("Put the chat away until later"), READ, _open),
    Action("reopen", _("reopen"), _("Open a closed or snoozed chat again"), READ, _reopen, 5),
    Action("tags", _("tags"), _("Change the chat's tags"), READ, _chat),
    Action("priority", _("priority"), _("Change the chat's priority"), READ, _chat),
    Action("memories", _("memories"), _("Go to what is remembered of the customer"), READ, _chat),
    Action("context", _("context"), _("Show or hide the customer's panel"), READ, _chat),
    Action("add_memory", _("add memory"), _("Remember something about the customer"), ("context",), _customer, 1),
    Action("edit_memory", _("edit"), _("Change the memory, or open the past chat"), ("context",), _always, 2),
    Action("pin_memory", _("pin"), _("Keep the memory whatever comes, or no longer"), ("context",), _memory, 3),
    Action("forget_memory", _("forget"), _("Remove the memory for good"), ("context",), _memory, 4),
    Action("send", _("send"), _("Send the reply (in 5 seconds) or keep the note"), ("composer",), _text, 1),
    Action("insert_draft", _("insert draft"), _("Put the grey draft into the text"), ("composer",), _draft, 2),
    Action("suggestion_here", _("suggestion"), _("Ask the assistant for a draft"), ("composer",), _open, 3),
    Action("editor", _("editor"), _("Write in your own editor ($EDITOR)"), ("composer",), _editor, 5),
    Action("undo_send", _("undo"), _("Undo typing; in an empty text take back what was sent"), ("composer",), _always),
    Action("undo", _("undo"), _("Take back a reply, resolve or hand back of the last seconds"), READ, _undo),
    Action("send_again", _("send again"), _("Try to send what failed"), READ, _failed),
    Action("next_chat", _("next chat"), _("Read the next conversation of the list"), ("thread", "context"), _chat),
    Action("previous_chat", _("previous chat"), _("Read the one before it"), ("thread", "context"), _chat),
    Action("filter", _("filter"), _("Words, is:waiting channel:wa tag:vip older:2h, - negates"), READ, _always, 8),
    Action("apply_filter", _("to the list"), _("Back to the list, which passes the filter"), ("filter",), _always, 1),
    Action("down", _("down"), _("One line or row down"), READ, _always),
    Action("up", _("up"), _("One line or row up"), READ, _always),
    Action("top", _("top"), _("To the beginning"), READ, _always),
    Action("bottom", _("bottom"), _("To the end"), READ, _always),
    Action("half_down", _("half a page down"), _("Half a page down"), READ, _always),
    Action("half_up", _("half a page up"), _("Half a page up"), READ, _always),
    Action("page_down", _("page down"), _("One page down"), READ, _always),
    Action("page_up", _("page up"), _("One page up"), READ, _always),
    Action("next_pane", _("next pane"), _("To the next pane"), INBOX, _always),
    Action("previous_pane", _("previous pane"), _("To the pane before"), INBOX, _always),
    Action("pane_list", _("list"), _("To the list"), READ, _always),
    Action("pane_thread", _("thread"), _("To the thread"), READ, _always),
    Action("pane_context", _("customer"), _("To the customer's panel"), READ, _always),
    Action("pane_composer", _("composer"), _("To the text, without taking the chat over"), READ, _chat),
    Action("back", _("back"), _("One step back: close what is on top"), INBOX, _always, 9),
    Action("replay", _("replay"), _("Answer the message anew by this draft; nothing is sent"), TEACH, _replay, 1),
    Action(
        "evaluate", _("evaluate"), _("Draft against published on the last messages; again: stop"), TEACH, _manage, 2
    ),
    Action("publish", _("publish…"), _("Show what changes, and put the draft in force"), TEACH, _publish, 3),
    Action("next_section", _("next section"), _("To the next of the seven sections"), TEACH, _told, 4),
    Action("previous_section", _("section before"), _("To the section before"), TEACH, _told),
    Action("keep_draft", _("keep the draft"), _("Back to the chat; the draft is kept"), TEACH, _always, 5),
    Action("versions", _("versions"), _("What was published; compare and roll back"), TEACH, _told, 6),
    Action("other_side", _("other side"), _("From the editor to the answers, and back"), TEACH, _always, 7),
    Action("earlier_message", _("message before"), _("Answer an earlier message of the customer"), TEACH, _replay, 8),
    Action("later_message", _("message after"), _("Answer a later message"), TEACH, _replay),
    Action("older_message", _("message before"), _("Answer an earlier message of the customer"), ("answers",), _replay),
    Action("newer_message", _("message after"), _("Answer a later message"), ("answers",), _replay),
    Action("scroll_down", _("scroll down"), _("The answers, half a page down"), TEACH, _always),
    Action("scroll_up", _("scroll up"), _("The answers, half a page up"), TEACH, _always),
    Action("close", _("close"), _("Close this view; in the list, leave the inbox"), READ, _always),
    Action("help", _("help"), _("All keys of this place"), EVERY, _always, 10),
    Action("palette", _("commands"), _("Find an action by its name"), EVERY, _always),
    Action("redraw", _("redraw"), _("Paint the screen again"), EVERY, _always),
)
BY_ID = {action.id: action for action in ACTIONS}


def keys_in(action: Action, context: Context, keymap: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The keys of an action in a context: where one types, no printable ones."""
    keys = keymap[action.id]
    if context in TYPED:
        return tuple(key for key in keys if len(key) > 1)
    return keys


def in_context(context: Context) -> Iterable[Action]:
    """The actions of a context, in the table's order."""
    return (action for action in ACTIONS if context in action.contexts)


def hints(context: Context, situation: Situation, limit: int = 6) -> list[Action]:
    """What the footer names: at most `limit` actions that can be done now; help is always among them."""
    found = [action for action in in_context(context) if action.hint and action.possible(situation)]
    if not situation.mine:
        found = [action for action in found if action.id != "hand_back"]
    found.sort(key=lambda action: action.hint)
    chosen = [action for action in found if action.id != "help"][: limit - 1]
    return [*chosen, BY_ID["help"]]
