"""The step that chooses a language model, fetches it if it must, and puts it to use."""

from __future__ import annotations

import time
from typing import Any

from invent_server.cli.output import Failed
from invent_server.cli.setup.machine import GB, memory, offer, shared_with_graphics
from invent_server.cli.setup.stage import Stage
from shared.text import clean_line

MODELS = "/api/v1/models"
NONE = ("none", "ninguno", "no", "0")
POLL = 0.3


def model(stage: Stage) -> bool:
    """Nothing is fetched that somebody has not asked for."""
    tr, given = stage.tr, stage.given.model
    found = stage.portal.get(MODELS)
    total = memory()
    if given is None and not found["version"]:
        stage.asker.later(
            tr(
                "No Ollama answers at {host}: the assistant quotes your files, word for word, with their source.",
                host=found["host"],
            )
        )
        stage.asker.later(tr("With a model it writes its answers: install Ollama, then invent models pull NAME."))
        return False
    best = offer(found["items"], total, shared_with_graphics())
    if given is None and stage.asker.quiet:
        stage.asker.later(tr("A model: invent models use NAME."))
        return False
    name = given or stage.asker.ask(
        tr("Which model writes the answers?"),
        best.name if best else NONE[0],
        lambda answer: clean_line(answer, 200),
        _about(stage, found, best, total),
    )
    if name is None:
        return False
    if name.lower() in NONE:
        stage.portal.post(f"{MODELS}/use", {"name": NONE[0]})
        stage.asker.done(tr("No model: the assistant quotes your files, word for word, with their source."))
        return True
    if all(name not in (one["name"], one["name"].removesuffix(":latest")) for one in found["items"]):
        _fetch(stage, name)
    _use(stage, name)
    return True


def _about(stage: Stage, found: dict[str, Any], best: Any, total: int) -> str:
    tr = stage.tr
    lines = [tr("This machine has {memory} GB of memory.", memory=round(total / GB))] if total else []
    if chats := [one["name"] for one in found["items"] if one["chat"]]:
        lines.append(tr("Ollama has {models}.", models=", ".join(chats[:8])))
    if best is not None and not best.installed:
        lines.append(tr("{model} would be fetched: {size} GB.", model=best.name, size=f"{best.size / GB:.1f}"))
    lines.append(tr("“none”: the assistant quotes your files, word for word."))
    return "\n".join(lines)


def _fetch(stage: Stage, name: str) -> None:
    """Let Ollama fetch a model, with a bar. Raises Failed."""
    from invent_server.cli.progress import progress

    stage.portal.post(f"{MODELS}/pull", {"name": name})
    with progress(stage.tr("Fetching {model}", model=name)) as bar:
        while True:
            one = next(one for one in stage.portal.get(MODELS)["pulls"] if one["name"] == name)
            bar(one["done"] // 1_000_000, one["total"] // 1_000_000)
            if one["ended"]:
                break
            time.sleep(POLL)
    if one["problem"]:
        raise Failed(one["problem"])


def _use(stage: Stage, name: str) -> None:
    stage.portal.post(f"{MODELS}/use", {"name": name})
    stage.asker.done(stage.tr("{model} writes the answers as soon as it is loaded.", model=name))


def now(stage: Stage) -> str:
    """Which model writes answers, in words."""
    found = stage.portal.get(MODELS)
    return str(found["chat"]) or stage.tr("none")
