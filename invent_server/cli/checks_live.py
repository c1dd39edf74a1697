"""What `invent doctor` asks a running server: its parts, its model, its addresses, what it holds."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

from invent_server.cli.api import Api, connect
from invent_server.cli.finding import NOTE, OK, WRONG, Finding
from invent_server.cli.output import Failed, count
from invent_server.models.profile import propose
from shared.settings import Settings

LOADING = 30.0
"""Seconds that a model may take to be ready, where the server has only just started."""
REACHED = 5.0
"""Longest wait for an address, in seconds."""


async def look(url: str, settings: Settings | None, measure: bool) -> list[Finding]:
    """What the server at `url` says; `settings`: those of its machine, where that is this one."""
    try:
        async with connect(url) as api:
            ready = await api.parts()
            found = [Finding("server", OK, api.base)]
            for part, well in sorted(ready.items()):
                if not well:
                    found.append(_part(part))
            if ready.get("index"):
                found.append(Finding("index", OK, "answers"))
                found.append(_vectors(await api.vectors()))
            me = await api.get("/api/v1/me")
            found += await _models(api, me, settings, measure)
            found += await _address(api, settings)
            return [*found, *await _ssh(api, me), *await _content(api)]
    except Failed as error:
        return [Finding("server", WRONG, str(error), "invent serve; or give your token with INVENT_TOKEN")]


async def _ssh(api: Api, me: dict[str, Any]) -> list[Finding]:
    """Is the inbox open over ssh, and for whom? Only admins may ask that."""
    port, host = me["ssh_port"], urlsplit(api.base).hostname
    if not port:
        return [Finding("ssh", NOTE, "off: no port is wanted, or it was in use", "invent serve --ssh-port 2222")]
    if me["agent"]["role"] != "admin":
        return [Finding("ssh", OK, f"port {port}")]
    names = [one["name"] for one in await api.all("/api/v1/agents") if not one["disabled"]]
    with_key = [name for name in names if await api.all(f"/api/v1/agents/{name}/keys")]
    if not with_key:
        text = f"port {port} is open, and nobody has a key"
        return [Finding("ssh", NOTE, text, f"invent agents key {names[0]} add ~/.ssh/id_ed25519.pub")]
    people = count(len(with_key), "agent has a key", "agents have a key")
    return [Finding("ssh", OK, f"ssh -p {port} {with_key[0]}@{host} ({people})")]


def _part(part: str) -> Finding:
    if part == "index":
        text = "the index process does not answer (yet): customers are handed to people meanwhile"
        return Finding("index", WRONG, text, "wait a minute; then see the server's log, and invent reindex --all")
    return Finding(part, WRONG, "is not ready", "see the server's log; stop it and run invent serve")


async def _models(api: Api, me: dict[str, Any], settings: Settings | None, measure: bool) -> list[Finding]:
    """The model server, and the model that writes answers: how fast is it?"""
    try:
        found = await _ready(api)
    except Failed:  # only admins may ask
        return [Finding("engine", OK, str(me["engine"]))]
    return [_ollama(found), await _engine(api, found, settings, measure)]


async def _ready(api: Api) -> dict[str, Any]:
    """What the server knows of its models, once a chosen one is loaded, or is known not to come."""
    until = asyncio.get_running_loop().time() + LOADING
    while True:
        found: dict[str, Any] = await api.get("/api/v1/models")
        waiting = found["chat"] and not found["ready"] and found["problem"] == "it is being loaded"
        if not waiting or asyncio.get_running_loop().time() > until:
            return found
        await asyncio.sleep(0.3)


def _ollama(found: dict[str, Any]) -> Finding:
    name = "ollama"
    if found["version"]:
        chats = sum(one["chat"] for one in found["items"])
        return Finding(name, OK, f"{found['host']}, version {found['version']}, {count(chats, 'chat model')}")
    if found["chat"]:
        return Finding(name, WRONG, f"none answers at {found['host']}", "ollama serve; or set OLLAMA_HOST")
    return Finding(name, NOTE, f"none answers at {found['host']}: nothing is written, only quoted", "ollama serve")


async def _engine(api: Api, found: dict[str, Any], settings: Settings | None, measure: bool) -> Finding:
    """Who answers; a model is asked something, to see how fast it is here."""
    name, model = "engine", found["chat"]
    quotes = "answers quote your knowledge with their source"
    if not model:
        few = [one["name"] for one in found["items"] if one["chat"]]
        remedy = f"invent models use {few[0]}" if few else "invent models pull NAME, then invent models use NAME"
        return Finding(name, NOTE, f"extractive: {quotes}; no model is in use", remedy)
    if not found["ready"]:
        known = {part for one in found["items"] for part in (one["name"], one["name"].removesuffix(":latest"))}
        remedy = f"invent models pull {model}" if found["version"] and model not in known else "invent models list"
        return Finding(name, WRONG, f"{quotes}, for {model} is not ready: {found['problem']}", remedy)
    written = f"ollama:{model} writes answers from your knowledge"
    if not measure:
        return Finding(name, OK, written)
    try:
        checked = await api.post("/api/v1/models/check")
    except Failed as error:
        return Finding(name, WRONG, f"{model} does not answer: {error}", "invent models check; see Ollama's log")
    reads, writes = checked["prompt_tokens_per_second"], checked["answer_tokens_per_second"]
    text = f"{written}: reads {reads:.0f}, writes {writes:.0f} tokens a second"
    if settings is None:
        return Finding(name, OK, text)
    now = settings.models
    proposal = propose(reads, writes, checked["context"], now.num_ctx, now.num_predict)
    text += (
        f"; profile {proposal.profile}: prompts up to {proposal.budget} tokens, an answer in {proposal.seconds:.0f} s"
    )
    if proposal.profile == "quote":
        return Finding(
            name, NOTE, f"{text}: too slow for customers who wait", "a smaller model: invent models use NAME"
        )
    if (proposal.num_ctx, proposal.num_predict) != (now.num_ctx, now.num_predict):
        return Finding(name, NOTE, f"{text}, with other settings than now", proposal.line)
    return Finding(name, OK, text)


def _vectors(state: dict[str, Any]) -> Finding:
    if problem := state.get("problem"):
        text = f"{problem}; searches go by words alone"
        return Finding("vectors", WRONG, text, "mend that; see models.embed, index.onnx and index.chroma")
    if not state.get("model"):
        return Finding("vectors", NOTE, "none: searches go by words alone", "invent models pull minilm")
    if not state.get("ready"):
        text = f"{state['model']}: {state['done']} of {state['total']} passages; searches go by words meanwhile"
        return Finding("vectors", NOTE, text)
    return Finding("vectors", OK, f"{state['model']}, {count(state['done'], 'passage')}")


async def _address(api: Api, settings: Settings | None) -> list[Finding]:
    """What customers' browsers reach."""
    import aiohttp

    name = "web address"
    public = settings.http.public_url.rstrip("/") if settings else ""
    if not public:
        local = urlsplit(api.base).hostname in ("127.0.0.1", "localhost", "::1")
        text = f"{api.base}, on this machine only" if local else api.base
        return [Finding(name, NOTE if local else OK, text, "set INVENT_PUBLIC_URL to what customers reach" * local)]
    try:
        timeout = aiohttp.ClientTimeout(total=REACHED)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(f"{public}/readyz") as answer:
            ours = answer.status in (200, 503) and "parts" in await answer.json()
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        text = f"{public} does not answer from here: {error or type(error).__name__}"
        return [Finding(name, WRONG, text, "see the reverse proxy's log, and docs/operators.md")]
    if ours:
        return [Finding(name, OK, public)]
    text = f"{public} answers, but it is not this server ({answer.status})"
    return [Finding(name, WRONG, text, f"let the reverse proxy pass it to {api.base}")]


async def _content(api: Api) -> list[Finding]:
    found: list[Finding] = []
    pages = await api.all("/api/v1/knowledge/pages", limit=500)
    failed = sum(page["status"] == "failed" for page in pages)
    if not pages:
        found.append(
            Finding("knowledge", NOTE, "empty: every question goes to a person", "invent knowledge add FILE...")
        )
    elif failed:
        text = f"{count(failed, 'page')} of {len(pages)} could not be read"
        found.append(Finding("knowledge", WRONG, text, "invent knowledge stats (names them)"))
    else:
        found.append(Finding("knowledge", OK, count(len(pages), "page")))
    channels = await api.all("/api/v1/channels")
    if not any(one["enabled"] for one in channels):
        found.append(Finding("channels", NOTE, "none is open: nobody can write", "invent channels add web NAME"))
    else:
        names = ", ".join(f"{one['name']} ({one['kind']})" for one in channels if one["enabled"])
        found.append(Finding("channels", OK, names))
    notices = await api.all("/api/v1/notices")
    if notices:
        text = f"{count(len(notices), 'thing needs', 'things need')} a person"
        found.append(Finding("notices", NOTE, text, "invent notices"))
    return found
