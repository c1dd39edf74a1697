"""The way through the steps: what is done is shown, what is missing is asked, what was done stays."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import typer

from invent_server.cli.api import OWN, load_settings
from invent_server.cli.output import Failed
from invent_server.cli.output import as_json as print_json
from invent_server.cli.portal import Portal
from invent_server.cli.setup import company, knowledge, model, people
from invent_server.cli.setup.asking import Asker, Wrong, console, edited
from invent_server.cli.setup.command import STEPS
from invent_server.cli.setup.stage import CHANNELS, Given, Stage
from shared.i18n import Texts, texts
from shared.text import clean_line

SETUP = "/api/v1/setup"


class Step(NamedTuple):
    """`flag`: was it answered on the command line? `now`: what stands there, in words."""

    title: Callable[[Texts], str]
    act: Callable[[Stage], bool]
    flag: Callable[[Given], object]
    now: Callable[[Stage], str]


WAY: dict[str, Step] = {
    "language": Step(
        lambda tr: tr("Language"),
        company.language,
        lambda given: given.language,
        lambda stage: {"en": "English", "es": "Español"}.get(stage.assistant["language"], ""),
    ),
    "company": Step(
        lambda tr: tr("Company"),
        company.company,
        lambda given: given.company,
        lambda stage: str(stage.assistant["company"]),
    ),
    "timezone": Step(
        lambda tr: tr("Time zone"),
        company.timezone,
        lambda given: given.timezone,
        lambda stage: stage.setting("timezone"),
    ),
    "hours": Step(
        lambda tr: tr("Opening hours"),
        company.opening,
        lambda given: given.hours,
        company.spoken_hours,
    ),
    "model": Step(lambda tr: tr("Language model"), model.model, lambda given: given.model, model.now),
    "mode": Step(
        lambda tr: tr("The assistant's part"),
        company.mode,
        lambda given: given.mode,
        lambda stage: company.mode_words(stage.tr)[stage.inbox["mode"]] if stage.inbox else "",
    ),
    "files": Step(lambda tr: tr("First articles"), knowledge.files, lambda given: given.files, knowledge.now),
    "questions": Step(
        lambda tr: tr("A rehearsal"), knowledge.questions, lambda given: given.questions, lambda stage: stage.tr("done")
    ),
    "website": Step(
        lambda tr: tr("Where customers write"),
        people.website,
        lambda given: given.website,
        lambda stage: f"{stage.address}/chat/{stage.inbox_name}",
    ),
    "colleague": Step(lambda tr: tr("First colleague"), people.colleague, lambda given: given.colleague, people.now),
}
assert tuple(WAY) == STEPS


def walk(given: Given, *, yes: bool, only: tuple[str, ...], as_json: bool, server: str | None, inbox: bool) -> None:
    """From the first step to the last; `inbox`: it is opened afterwards.

    Raises Failed, or typer.Exit(130) when the person stops in between.
    """
    settings = load_settings()
    asker = Asker(console(to_stderr=as_json), quiet=yes, tr=texts("cli", given.language or company.from_system()))
    edited()
    with Portal(server) as portal:
        stage = _stage(portal, asker, given, settings)
        with _stoppable(stage):
            _greet(stage, only)
            for number, name in enumerate(STEPS, 1):
                _take(stage, name, number, only)
            _farewell(stage, inbox)
        if as_json:
            print_json(_summary(stage))


def _stage(portal: Portal, asker: Asker, given: Given, settings: Any) -> Stage:
    """What is there already. Raises Failed on the demo's directory."""
    progress = portal.get(SETUP)
    if progress["demo"]:
        command = "INVENT_DATA_DIR=~/my-support invent setup"
        raise Failed(
            asker.tr(
                "{folder} holds the demo company; your own needs an empty one: {command}",
                folder=settings.data_dir,
                command=command,
            )
        )
    me = portal.get("/api/v1/me")
    assistant = next(one for one in portal.get("/api/v1/assistants")["items"] if one["slug"] == "default")
    inboxes = [one for one in portal.get(CHANNELS)["items"] if one["kind"] == "web"]
    inbox = next((one for one in inboxes if one["name"] == given.inbox), None)
    if inbox is None and given.inbox is None and inboxes:
        inbox = inboxes[0]
    done = set(progress["done"])
    if "language" in done and given.language is None:
        asker.tr = texts("cli", assistant["language"])
    return Stage(portal, asker, given, settings, me, assistant, inbox, done)


def _greet(stage: Stage, only: tuple[str, ...]) -> None:
    tr = stage.tr
    if stage.asker.quiet or only:
        return
    stage.asker.console.print()
    stage.asker.console.print(tr("Invent: setting up your company"), style="bold")
    stage.asker.say(
        tr("Enter takes what stands in brackets; - leaves a step for later; Ctrl-C stops and keeps what is done."),
        "dim",
    )


def _take(stage: Stage, name: str, number: int, only: tuple[str, ...]) -> None:
    """One step: with its flag, again because it was named, because it is missing, or only shown."""
    step, tr = WAY[name], stage.tr
    flagged = bool(step.flag(stage.given))
    if only and name not in only and not flagged:
        return
    if name in stage.done and name not in only and not flagged:
        if not stage.asker.quiet:
            stage.asker.say(f"✓ {step.title(tr)}: {clean_line(step.now(stage), 200)}", "green")
        stage.summary.setdefault("steps", {})[name] = "kept"
        return
    stage.asker.title(number, len(STEPS), step.title(tr))
    try:
        finished = step.act(stage)
    except Wrong as error:  # a flag's value
        raise Failed(f"--{name}: {error}") from None
    except Failed as error:
        if flagged or stage.asker.quiet:
            raise
        stage.asker.say(f"! {error}", "yellow")
        stage.asker.later(tr("Again: {command}", command=f"invent setup --step {name}"))
        finished = False
    stage.summary.setdefault("steps", {})[name] = "done" if finished else "later"
    if finished:
        stage.done = set(stage.portal.post(SETUP, {"step": name})["done"])


@contextlib.contextmanager
def _stoppable(stage: Stage) -> Iterator[None]:
    """Ctrl-C and the end of input keep what was done and say how to go on."""
    try:
        yield
    except (KeyboardInterrupt, EOFError):
        place = f"INVENT_DATA_DIR={stage.settings.data_dir} " if os.environ.get("INVENT_DATA_DIR") else ""
        stage.asker.console.print()
        stage.asker.say(
            stage.tr("Stopped. What you have answered is kept; go on with: {command}", command=f"{place}invent setup")
        )
        raise typer.Exit(130) from None


def _farewell(stage: Stage, inbox: bool) -> None:
    tr = stage.tr
    if stage.asker.quiet:
        return
    stage.asker.console.print()
    missing = [name for name in STEPS if name not in stage.done]
    if missing:
        names = ", ".join(WAY[name].title(tr) for name in missing)
        stage.asker.say(tr("Left for later: {steps}. invent setup asks only for these.", steps=names), "dim")
    if stage.portal.api.base == OWN and not inbox:
        stage.asker.say(tr("Start it: invent up"), "bold")
    stage.asker.say(tr("Start at every boot: invent service install. Is all well? invent doctor"))
    sys.stdout.flush()
    if inbox:  # it takes the whole screen: what is to be copied is copied first
        stage.asker.pause(tr("Enter opens the inbox."))


def _summary(stage: Stage) -> dict[str, Any]:
    """What is there now."""
    inbox = stage.inbox
    return {
        "language": stage.assistant["language"],
        "company": stage.assistant["company"],
        "inbox": inbox["name"] if inbox else None,
        "mode": inbox["mode"] if inbox else None,
        "timezone": stage.setting("timezone") or None,
        "hours": stage.setting("hours") or None,
        "typed": stage.asker.typed,
        **stage.summary,
    }
