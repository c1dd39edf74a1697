"""Steps about the knowledge: the first files, and five questions put to them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from invent_server.cli.adding import files_of, take_in
from invent_server.cli.setup.asking import Wrong
from invent_server.cli.setup.headings import Proposed, proposed
from invent_server.cli.setup.stage import ASSISTANT, Stage
from shared.i18n import Texts
from shared.text import clean_line

PAGES = "/api/v1/knowledge/pages"
QUESTIONS = 5
SHOWN = 420
"""Characters of an answer that are shown."""
LOOKED_AT = 200
"""Pages that questions are taken from."""


def files(stage: Stage) -> bool:
    """Files and folders are taken in while a bar moves. One that cannot be read is named, the others go on."""
    from invent_server.cli.progress import progress

    tr = stage.tr

    def read(answer: str) -> list[Path]:
        try:
            return _found(tr, [Path(word) for word in shlex.split(answer)])
        except ValueError:  # a quotation mark without its other half may belong to the name
            return _found(tr, [Path(answer)])

    if stage.given.files:
        found: list[Path] | None = _found(tr, stage.given.files)
    else:
        found = stage.asker.ask(
            tr("Where are your first articles: a folder, or files?"),
            None,
            read,
            tr("Markdown, text or HTML: returns, prices, instructions … Enter: later."),
        )
    if not found:
        stage.asker.later(tr("Later: invent knowledge add FOLDER"))
        return False
    with progress(tr("Reading"), delay=0.0) as bar:
        added, problems = stage.portal.run(take_in(stage.portal.api, found, bar))
    for file, problem in problems:
        stage.asker.say(f"! {clean_line(str(file), 300)}: {problem}", "yellow")
    stage.summary["files"] = {"added": len(added), "failed": len(problems)}
    if added:
        stage.asker.done(tr.plural("{count} file is read and can be asked.", "{count} files are read.", len(added)))
    return bool(added)


def _found(tr: Texts, named: Sequence[Path]) -> list[Path]:
    """The files that are meant. Raises Wrong."""
    paths = [path.expanduser() for path in named]
    for path in paths:
        if not path.exists():
            raise Wrong(tr("There is no {path}.", path=clean_line(str(path), 300)))
    found = [file for path in paths for file in files_of(path)]
    if not found:
        raise Wrong(tr("There is no file in it."))
    return found


def questions(stage: Stage) -> bool:
    """Asked as a customer would; nothing is stored, nobody is called."""
    tr = stage.tr
    pages = stage.portal.run(stage.portal.api.some(LOOKED_AT, PAGES))[0]
    if not pages:
        stage.asker.later(tr("With articles you can ask them here: invent setup --step questions"))
        return False
    offered = _offered(stage, pages) if not stage.given.questions else []
    if stage.given.questions:
        for text in stage.given.questions:
            _ask(stage, Proposed(text, ""))
        return True
    asked = False
    listed = "\n".join(f"{number}  {one.text}" for number, one in enumerate(offered, 1))
    while offered or not asked:
        words = tr("Enter asks these; or write one of your own.") if offered else tr("Ask something. Enter: go on.")
        answer = stage.asker.ask(
            tr("What would a customer ask?"), "" if offered else None, lambda line: line, f"{listed}\n{words}".strip()
        )
        if answer is None:
            break
        asked = True
        if answer:
            chosen = int(answer) - 1 if answer.isdecimal() else -1
            _ask(stage, offered[chosen] if 0 <= chosen < len(offered) else Proposed(answer, ""))
            continue
        right = [_ask(stage, one) for one in offered]
        stage.asker.say("")
        stage.asker.done(
            tr(
                "{right} of {all} were answered from the page that the question is from.",
                right=sum(right),
                all=len(right),
            )
        )
        break
    return asked


def _offered(stage: Stage, pages: list[dict[str, Any]]) -> list[Proposed]:
    """Questions from the pages' own headings, in the language that is spoken here if there are pages in it."""
    spoken = [page for page in pages if page["lang"] == stage.tr.language] or pages
    step = max(1, len(spoken) // (4 * QUESTIONS))
    texts = [
        (str(page["title"]), str(stage.portal.get(f"{PAGES}/{page['id']}")["text"] or "")) for page in spoken[::step]
    ]
    return proposed(texts, QUESTIONS, stage.tr)


def _ask(stage: Stage, question: Proposed) -> bool:
    """Show question, answer and source; was it answered, and from the page that it was taken from?"""
    tr = stage.tr
    answer = stage.portal.post(f"{ASSISTANT}/try", {"text": question.text, "language": tr.language})
    sources = [one["title"] for one in answer["citations"]]
    right = answer["outcome"] == "answer" and bool(sources) and question.title in ("", *sources)
    stage.asker.say("")
    stage.asker.say(f"{'✓' if right else '?'} {question.text}", "bold green" if right else "bold yellow")
    text = re.sub(r"\n{2,}", "\n", str(answer["text"]).replace("**", ""))
    stage.asker.say(text if len(text) <= SHOWN else text[:SHOWN].rsplit(" ", 1)[0] + " …")
    for title in sources:
        stage.asker.say(tr("Source: {title}", title=title), "dim")
    if answer["outcome"] == "handoff":
        stage.asker.say(tr("(Your articles do not say: a person would be called.)"), "dim")
    stage.summary.setdefault("answers", []).append(
        {"question": question.text, "right": right, **{key: answer[key] for key in ("text", "outcome", "citations")}}
    )
    return right


def now(stage: Stage) -> str:
    """How much there is, in words."""
    pages, more = stage.portal.run(stage.portal.api.some(LOOKED_AT, PAGES))
    return stage.tr.plural("{count} page", "{count} pages", len(pages)) + (" +" if more else "")
