"""`invent chat`: talk to the assistant as a customer does, over the same web API."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from invent_server.cli.api import Api

WAIT = 60.0


def add_to(app: typer.Typer) -> None:
    app.command("chat")(chat)


def chat(
    inbox: Annotated[str | None, typer.Option(help="The web inbox; default: the only one, or `demo`.")] = None,
    customer: Annotated[str | None, typer.Option(help="Go on as this customer (any name of your own).")] = None,
    message: Annotated[str | None, typer.Option("-m", "--message", help="Send one line, print the answer.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The answer as JSON.")] = False,
    server: Annotated[str | None, typer.Option(envvar="INVENT_SERVER")] = None,
    locale: Annotated[str | None, typer.Option(help="Language of the customer's browser.")] = None,
) -> None:
    """Talk as a customer. Without -m: line by line until Ctrl-D."""
    import asyncio

    from invent_server.cli.api import run
    from invent_server.cli.output import as_json as print_json
    from invent_server.cli.output import say

    if as_json and message is None:
        raise typer.BadParameter("goes with -m", param_hint="--json")

    async def work(api: Api) -> None:
        await api.ready()
        talk = await Talk.begin(api, inbox, customer, locale)
        if message is not None:
            answer = await talk.ask(message)
            if as_json:
                print_json(answer)
            else:
                say(_shown(answer))
            return
        print(f"— {talk.greeting}")
        while True:
            try:
                line = (await asyncio.to_thread(input, "> ")).strip()
            except EOFError:
                return
            if line:
                say(_shown(await talk.ask(line)))

    run(work, server)


def _shown(answer: dict[str, Any]) -> str:
    text: str = answer["answer"] or "(no answer: " + str(answer["reason"]) + ")"
    for number, citation in enumerate(answer["citations"], 1):
        text += f"\n[{number}] {citation['title']}" + (f" · {citation['url']}" if citation["url"] else "")
    return text


class Talk:
    """One visitor's session. Answers are awaited as an agent sees them: with outcome and reason."""

    def __init__(self, api: Api, inbox: str, session: dict[str, Any]) -> None:
        self._api = api
        self._inbox = inbox
        self._token = session["token"]
        self.conversation_id = session["conversation_id"]
        self.greeting = session["greeting"]

    @classmethod
    async def begin(cls, api: Api, inbox: str | None, customer: str | None, locale: str | None) -> Talk:
        from invent_server.cli.output import Failed

        if inbox is None:
            names = [one["name"] for one in (await api.get("/api/v1/channels"))["items"] if one["kind"] == "web"]
            if not names:
                raise Failed("there is no web inbox; add one with `invent channels add web NAME`")
            inbox = "demo" if "demo" in names else names[0]
        body: dict[str, Any] = {"locale": locale} if locale else {}
        token = _token_of(customer, inbox)
        if token is not None:
            body["token"] = token
        if customer is not None:
            body["name"] = customer
        session = await api.post(f"/web/{inbox}/session", body)
        if customer is not None:
            _keep_token(customer, inbox, session["token"])
        return cls(api, inbox, session)

    async def ask(self, text: str) -> dict[str, Any]:
        """Send a line and wait until its turn has ended; the object of `--json`."""
        import asyncio
        import uuid

        from invent_server.cli.output import Failed

        async with self._api.socket("/api/v1/stream") as ws:
            sent = await self._api.post(
                f"/web/{self._inbox}/messages",
                {"text": text, "client_id": str(uuid.uuid4())},
                headers={"Authorization": f"Bearer {self._token}"},
            )
            try:
                async with asyncio.timeout(WAIT):
                    while (found := await self._outcome(sent)) is None:
                        await ws.receive()
            except TimeoutError:
                raise Failed("no answer came within a minute; the message is stored") from None
        return found

    async def _outcome(self, sent: dict[str, Any]) -> dict[str, Any] | None:
        """The end of the turn that covers the message, if it has ended."""
        talk = await self._api.get(f"/api/v1/conversations/{self.conversation_id}")
        trace = await self._api.get(f"/api/v1/messages/{sent['id']}/trace")
        end = next((step["detail"] for step in trace["steps"] if step["name"] == "outcome"), None)
        if end is None or not end.get("outcome"):
            if talk["handler"] == "assistant":
                return None
            end = {"outcome": "silence", "reason": f"handled by {talk['handler']}"}
        page = await self._api.get(f"/api/v1/conversations/{self.conversation_id}/messages", reverse=True, limit=20)
        reply = next(
            (one for one in page["items"] if one["author"]["kind"] == "assistant" and one["seq"] > sent["seq"]), None
        )
        return {
            "answer": reply["text"] if reply else "",
            "language": (reply or {}).get("language") or talk["language"],
            "citations": reply["citations"] if reply else [],
            "outcome": end["outcome"],
            "reason": end["reason"],
            "conversation_id": self.conversation_id,
            "message_id": reply["id"] if reply else None,
        }


def _token_file(customer: str, inbox: str) -> Any:
    import hashlib

    from shared.settings import data_dir

    name = hashlib.sha256(f"{inbox}\n{customer}".encode()).hexdigest()[:32]
    return data_dir() / "chat" / f"{name}.token"


def _token_of(customer: str | None, inbox: str) -> str | None:
    if customer is None:
        return None
    try:
        token: str = _token_file(customer, inbox).read_text("utf-8").strip()
    except OSError:
        return None
    return token


def _keep_token(customer: str, inbox: str, token: str) -> None:
    from invent_server.store.secrets import write_private

    path = _token_file(customer, inbox)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        write_private(path, token)
    except OSError as error:
        print(f"invent: the session of {customer} could not be kept: {error}", file=sys.stderr)
