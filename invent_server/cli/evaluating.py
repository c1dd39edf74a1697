"""`invent eval`: figures of the engines on files of questions, in a scratch index, never on live data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from invent_server.cli.commands import Json

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="corpus.jsonl, queries.jsonl and qrels.tsv.")]


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(
        name="eval",
        help="Figures of the engines on your own questions.",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    group.command("retrieval")(retrieval)
    group.callback()(_several)
    app.add_typer(group)


def _several() -> None:
    """Figures of the engines on your own questions."""


def retrieval(folder: Folder, as_json: Json = False) -> None:
    """How well the search finds the right article, and knows when there is none."""
    import asyncio

    import structlog

    from invent_server.cli import output
    from invent_server.cli.api import load_settings
    from invent_server.cli.progress import progress
    from invent_server.knowledge import evaluation
    from invent_server.knowledge.types import IndexUnavailable
    from invent_server.models.embedding import EmbeddingModel
    from invent_server.models.ollama import Ollama
    from invent_server.models.scheduler import Scheduler

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))  # what goes wrong is raised
    settings = load_settings()

    async def measured() -> dict[str, float]:
        ollama = Ollama(settings.models)
        model = EmbeddingModel(ollama, Scheduler(settings.models), settings.models)
        try:
            with progress("Evaluating") as bar:
                return await evaluation.retrieval(folder, settings, model, lambda _, done, all_: bar(done, all_))
        finally:
            await ollama.close()

    try:
        found = asyncio.run(measured())
    except (evaluation.BadSet, IndexUnavailable) as error:
        raise output.Failed(str(error)) from None
    if as_json:
        output.as_json(found)
    else:
        output.fields(found.items())
