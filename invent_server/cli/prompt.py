"""`invent prompt`: the instructions of an assistant, their versions, and messages answered anew by the draft."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from invent_server.cli.commands import Json, Limit, noun

if TYPE_CHECKING:
    from invent_server.cli.api import Api

BASE = "/api/v1/instructions"
SECTION_NAMES = "voice, tone, goals, flow, restrictions, guidelines or escalation"
Of = Annotated[str, typer.Option("--assistant", metavar="NAME", help="Whose instructions.")]
Section = Annotated[str, typer.Argument(metavar="SECTION", help=SECTION_NAMES)]
Note = Annotated[str, typer.Option("--note", help="What changes and why, for the history.")]


def add_to(app: typer.Typer) -> None:
    noun(
        app,
        "prompt",
        "What the assistant is told: seven sections, their versions, and what they change.",
        {
            "show": show,
            "edit": edit,
            "history": history,
            "diff": diff,
            "publish": publish,
            "rollback": rollback,
            "replay": replay,
            "evaluate": evaluate,
        },
    )


async def show(
    api: Api,
    section: Annotated[str, typer.Argument(metavar="[SECTION]", help=f"Only this one: {SECTION_NAMES}.")] = "",
    assistant: Of = "default",
    version: Annotated[int | None, typer.Option(help="A published version instead of the draft.")] = None,
    as_json: Json = False,
) -> None:
    """The draft of all sections, or of one; lines with a `*` also work without a model."""
    from invent_server.cli import output

    if version is not None:
        found = await api.get(f"{BASE}/versions/{version}", assistant=assistant)
        _known(section, found["sections"])
        if as_json:
            output.as_json(found)
            return
        for name, text in found["sections"].items():
            if section in ("", name):
                _section(name, text, (), alone=bool(section))
        return
    found = await api.get(BASE, assistant=assistant)
    sections = {one["section"]: one for one in found["sections"]}
    _known(section, sections)
    if as_json:
        output.as_json(sections[section] if section else found)
        return
    if not section:
        published = found["version"]
        changed = [name for name, one in sections.items() if one["changed"]]
        output.fields(
            (
                ("assistant", found["assistant"]),
                ("published", f"version {published['version']}" if published["version"] else "version 0 (templates)"),
                ("draft", f"changes {', '.join(changed)}" if changed else "as published"),
                ("tokens", f"{found['tokens']} of {found['limit']}"),
            )
        )
    for name, one in sections.items():
        if section in ("", name):
            _section(name, one["text"], {rule["line"] for rule in one["rules"]}, alone=bool(section))


def _known(section: str, sections: dict[str, Any]) -> None:
    from invent_server.cli.output import Failed

    if section and section not in sections:
        raise Failed(f"there is no section {section!r}; there are {', '.join(sections)}")


def _section(name: str, text: str, ruled: Any, *, alone: bool) -> None:
    from invent_server.cli import output

    if alone and not sys.stdout.isatty():  # a text to be edited and given back
        output.say(text)
        return
    if not alone:
        print()
        print(output.styled(name, "1"))
    for number, line in enumerate(text.splitlines()):
        output.say(f"{'*' if number in ruled else ' '} {line}")


async def edit(
    api: Api,
    section: Section,
    file: Annotated[str | None, typer.Option("--file", help="Read the text from this file; - for standard input.")] = (
        None
    ),
    assistant: Of = "default",
    as_json: Json = False,
) -> None:
    """Change a section of the draft: in your editor, or from a file. What is published stays until `publish`."""
    from invent_server.cli import output
    from invent_server.cli.api import path

    found = await api.get(BASE, assistant=assistant)
    sections = {one["section"]: one for one in found["sections"]}
    _known(section, sections)
    before = sections[section]
    text = _written(before["text"], section) if file is None else _read(file)
    body = {"text": text, "revision": before["revision"], "assistant": assistant}
    try:
        saved = await api.patch(path("instructions", section), body)
    except output.Failed as error:
        if file is None:  # what was typed is never lost
            kept = _keep(section, text)
            raise output.Failed(f"{error}; your text is in {kept}") from None
        raise
    if as_json:
        output.as_json(saved)
    elif saved["revision"] == before["revision"]:
        print(f"{section} is unchanged")
    else:
        print(f"{section} saved in the draft; `invent prompt diff` shows what it changes, `publish` puts it in force")


def _read(file: str) -> str:
    from invent_server.cli import output

    if file == "-":
        return output.text_from("-")
    try:
        return Path(file).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise output.Failed(f"{file} cannot be read: {reason}") from None


def _written(text: str, section: str) -> str:
    """`text` after the agent's editor. Raises Failed."""
    import os
    import shlex
    import subprocess

    from invent_server.cli.output import Failed

    if not sys.stdin.isatty():
        raise Failed("give the text with --file FILE, or --file - for standard input")
    file = Path(_keep(section, text + "\n"))
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        code = subprocess.run([*shlex.split(editor), str(file)], check=False).returncode
        if code:
            raise Failed(f"{editor} ended with {code}; nothing was changed")
        return file.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise Failed(f"the editor {editor!r} does not start ({error}); name another with EDITOR") from None
    finally:
        file.unlink(missing_ok=True)


def _keep(section: str, text: str) -> str:
    import tempfile

    with tempfile.NamedTemporaryFile("w", suffix=f".{section}.txt", delete=False, encoding="utf-8") as file:
        file.write(text)
    return file.name


async def history(api: Api, assistant: Of = "default", limit: Limit = 50, as_json: Json = False) -> None:
    """What was published, the newest first."""
    from invent_server.cli import output

    found, _ = await api.some(limit, f"{BASE}/versions", assistant=assistant)
    if as_json:
        output.items(found)
        return
    rows = (
        (
            one["version"],
            output.local(one["created_at"]),
            one["author"] or "Invent",
            ", ".join(one["changed"]),
            _noted(one),
        )
        for one in found
    )
    output.table(("VERSION", "AT", "BY", "CHANGED", "NOTE"), rows)


def _noted(one: dict[str, Any]) -> str:
    if not one["version"]:
        return "the templates"
    back = f"version {one['restored']} again" if one["restored"] is not None else ""
    return ": ".join(filter(None, (back, one["note"])))


async def diff(
    api: Api,
    old: Annotated[str, typer.Argument(metavar="[OLD]", help="A version's number, published or draft.")] = "published",
    new: Annotated[str, typer.Argument(metavar="[NEW]", help="The same.")] = "draft",
    assistant: Of = "default",
    as_json: Json = False,
) -> None:
    """What differs between two versions, or between what is published and the draft."""
    from invent_server.cli import output

    found = await api.get(f"{BASE}/diff", old=old, new=new, assistant=assistant)
    if as_json:
        output.as_json(found)
        return
    for section in found["sections"]:
        print(output.styled(section["section"], "1"))
        for line in section["lines"]:
            code = {"+": "32", "-": "31"}.get(line["mark"], "0")
            print(output.styled(f"{line['mark']} {line['text']}", code))
    if not found["sections"]:
        output.note(f"{old} and {new} are the same")


async def publish(api: Api, note: Note = "", assistant: Of = "default", as_json: Json = False) -> None:
    """Put the draft in force: from its next answer on the assistant follows it."""
    _published(await api.post(f"{BASE}/publish", {"note": note, "assistant": assistant}), as_json)


async def rollback(
    api: Api,
    version: Annotated[int, typer.Argument(min=0, metavar="VERSION", help="Its number; 0 = the templates.")],
    note: Note = "",
    assistant: Of = "default",
    as_json: Json = False,
) -> None:
    """Publish an old version anew. Unpublished changes stay in the draft."""
    body = {"version": version, "note": note, "assistant": assistant}
    _published(await api.post(f"{BASE}/rollback", body), as_json)


def _published(made: dict[str, Any], as_json: bool) -> None:
    from invent_server.cli import output

    if as_json:
        output.as_json(made)
    else:
        print(f"version {made['version']} is in force: {', '.join(made['changed'])} changed")


async def replay(
    api: Api,
    id_: Annotated[str, typer.Argument(metavar="ID", help="A customer's message, or a conversation (its last one).")],
    version: Annotated[int | None, typer.Option(help="By a published version instead of the draft.")] = None,
    as_json: Json = False,
) -> None:
    """Answer a customer's message anew by the draft. Nothing is sent and nothing is kept."""
    from invent_server.cli import output
    from invent_server.cli.output import Failed

    await api.ready()
    body: dict[str, Any] = {} if version is None else {"version": version}
    found = None
    with contextlib.suppress(Failed):
        found = await api.get(f"/api/v1/conversations/{id_}")
    body["conversation_id" if found else "message_id"] = id_
    made = await api.post(f"{BASE}/replay", body)
    if as_json:
        output.as_json(made)
        return
    output.say("\n".join(f"> {line}" for line in made["question"].splitlines()))
    _answer("then", made["old"])
    _answer("now", made["new"])


def _answer(when: str, answer: dict[str, Any] | None) -> None:
    from invent_server.cli import output

    print()
    if answer is None:
        print(output.styled(f"{when}: not answered", "1"))
        return
    by = answer["author"] or answer["engine"]
    kind = "draft" if answer["version"] is None else f"version {answer['version']}"
    facts = [by, answer["outcome"], answer["reason"], kind if when == "now" or answer["version"] is not None else ""]
    took = answer["timings"].get("total")
    print(output.styled(f"{when}: " + ", ".join(filter(None, (*facts, f"{took:.0f} ms" if took else ""))), "1"))
    output.say(answer["text"])
    for one in answer["evidence"]:
        output.say(f"  {'*' if one['cited'] else '-'} {one['title']} ({one['score']:.2f})")
    if answer["detail"]:
        output.say(f"  {answer['detail']}")


async def evaluate(
    api: Api,
    last: Annotated[int, typer.Option(min=1, max=200, help="So many of the last answered messages.")] = 20,
    assistant: Of = "default",
    as_json: Json = False,
) -> None:
    """Answer the last messages by what is published and by the draft, and count what changes."""
    from invent_server.cli import output

    await api.ready()
    made = await api.post(f"{BASE}/evaluate", {"last": last, "assistant": assistant})
    if as_json:
        output.as_json(made)
        return
    output.fields((name, made[name]) for name in ("total", "same", "reworded", "changed", "failed"))
    if not made["total"]:
        output.note("this assistant has answered nobody yet")
