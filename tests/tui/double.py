"""A faithful double of the agents' API: in-memory data, the stream with replay, resync and live text.

It refuses what the server refuses (wrong token, commands out of turn, unknown keys of the filter) and can be told to
misbehave: lose lines, forget events, answer slowly.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from aiohttp import WSMsgType, web

from shared import models as m
from shared.filters import FilterError
from tests.tui.data import MINUTE, NOW, TOKEN, Data, at

__all__ = ["MINUTE", "NOW", "TOKEN", "Double", "at"]


class Double(Data):
    """The data, served. Start it, use `url` with TOKEN, stop it."""

    def __init__(self, agent: m.Agent | None = None, company: str = "Casa Lumbre") -> None:
        super().__init__(agent, company)
        self.heard: list[dict[str, Any]] = []
        self.requests: list[tuple[str, str, Any]] = []
        self.keys: dict[str, tuple[int, str]] = {}
        self.slow: dict[str, float] = {}
        """Seconds that a path's ending is delayed."""
        self.secret = TOKEN
        self.suggestion = "I have checked it: your parcel arrives tomorrow."
        self.poison: dict[str, str] = {}
        """Words in answers and frames that become something else on the wire, however unclean."""
        self.url = ""
        self._runner: web.AppRunner | None = None

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._gate])
        api, chat = "/api/v1", "/api/v1/conversations/{id}"
        app.add_routes(
            [
                web.get(f"{api}/me", self._me),
                web.get(f"{api}/agents", self._agents),
                web.get(f"{api}/conversations", self._list),
                web.get(f"{api}/conversations/counts", self._counts),
                web.get(chat, self._one),
                web.patch(chat, self._patch),
                web.get(f"{chat}/messages", self._page),
                web.post(f"{chat}/{{verb}}", self._command),
                web.get(f"{api}/customers/{{id}}", self._customer),
                web.get(f"{api}/customers/{{id}}/memories", self._memories),
                web.post(f"{api}/customers/{{id}}/memories", self._remember),
                web.patch(f"{api}/customers/{{id}}/memories/{{mid}}", self._change_memory),
                web.delete(f"{api}/customers/{{id}}/memories/{{mid}}", self._forget),
                web.get(f"{api}/messages/{{id}}/trace", self._trace),
                web.get(f"{api}/stream", self._stream),
            ]
        )
        return app

    async def start(self, host: str = "127.0.0.1", port: int = 0, path: str = "") -> str:
        """Serve; gives the address."""
        self._runner = web.AppRunner(self.app(), access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        site: web.BaseSite = web.UnixSite(self._runner, path) if path else web.TCPSite(self._runner, host, port)
        await site.start()
        self.url = f"unix://{path}" if path else f"http://{host}:{self._runner.addresses[0][1]}"
        return self.url

    async def stop(self) -> None:
        await self.drop_lines()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @web.middleware
    async def _gate(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {self.secret}":
            return refusal(401, "unauthorized", "this token is not known")
        body = await request.json() if request.can_read_body else None
        self.requests.append((request.method, request.path.removeprefix("/api/v1"), body))
        for ending, seconds in self.slow.items():
            if request.path.endswith(ending):
                await asyncio.sleep(seconds)
        key = request.headers.get("Idempotency-Key", "")
        if key in self.keys:
            status, text = self.keys[key]
            return web.json_response(text=text, status=status)
        answer: web.StreamResponse = await handler(request)
        if key and isinstance(answer, web.Response) and answer.status < 300:
            self.keys[key] = (answer.status, answer.text or "")
        if isinstance(answer, web.Response) and answer.text and self.poison:
            answer.text = self.poisoned(answer.text)
        if request.method == "GET" and not isinstance(answer, web.WebSocketResponse):
            answer.headers["X-Invent-Seq"] = str(self.seq)
        return answer

    def poisoned(self, text: str) -> str:
        for word, payload in self.poison.items():
            text = text.replace(word, json.dumps(payload)[1:-1])
        return text

    async def _me(self, _: web.Request) -> web.Response:
        return given(m.Me(agent=self.agent, version="0.1", seq=self.seq, engine=self.engine, company=self.company))

    async def _agents(self, _: web.Request) -> web.Response:
        return given(m.Page[m.Agent](items=self.agents))

    async def _list(self, request: web.Request) -> web.Response:
        query = request.query
        limit = min(200, int(query.get("limit", "50")))
        back = query.get("reverse") == "true"
        try:
            return given(self.page(query.get("filter", ""), limit, query.get("cursor"), back=back))
        except FilterError as error:
            return refusal(422, "invalid", str(error), [{"field": "filter", "position": error.position}])

    async def _counts(self, request: web.Request) -> web.Response:
        return given(self.counted(request.query.get("filter", "")))

    async def _one(self, request: web.Request) -> web.Response:
        chat = self.chats.get(request.match_info["id"])
        return given(chat) if chat else refusal(404, "not_found", "no such conversation")

    async def _patch(self, request: web.Request) -> web.Response:
        return given(self.change(request.match_info["id"], **await request.json()))

    async def _page(self, request: web.Request) -> web.Response:
        chat_id = request.match_info["id"]
        if chat_id not in self.chats:
            return refusal(404, "not_found", "no such conversation")
        limit = min(500, int(request.query.get("limit", "50")))
        before = int(request.query.get("cursor", "0")) or 10**9
        found = [one for one in self.messages[chat_id] if one.seq < before][::-1]
        more = str(found[limit - 1].seq) if len(found) > limit else None
        return given(m.Page[m.Message](items=found[:limit], next_cursor=more))

    async def _command(self, request: web.Request) -> web.Response:
        chat = self.chats.get(request.match_info["id"])
        if chat is None:
            return refusal(404, "not_found", "no such conversation")
        body = await request.json()
        verb = request.match_info["verb"]
        me, mine = self.agent.name, chat.handler == "agent" and chat.assignee == self.agent.name
        if verb == "takeover":
            if chat.handler == "agent" and not mine and not body.get("force"):
                return refusal(409, "taken", f"{chat.assignee} has this conversation")
            live = self.live.pop(chat.id, None)
            if live:
                self.end(chat.id, live[0], "takeover")
            draft = live[1] if live else chat.draft
            return given(self.change(chat.id, handler="agent", assignee=me, status="open", draft=draft))
        if verb in ("messages", "notes"):
            if verb == "messages" and not mine:
                return refusal(409, "not_handler", "take the conversation over first")
            kind = "text" if verb == "messages" else "note"
            state = {"state": "sending"} if verb == "messages" else None
            return given(self.say(chat.id, body["text"], "agent", kind=kind, delivery=state), 201)
        if verb == "suggest":
            return given(m.Suggestion(text=self.suggestion))
        if verb == "summary":
            return given(m.Summary(text="Asked where the order is. Wants it before Friday."))
        values: dict[str, dict[str, Any]] = {
            "handback": {"handler": "assistant", "assignee": None, "waiting_since": None, "draft": ""},
            "resolve": {"status": "closed", "waiting_since": None},
            "reopen": {"status": "open", "snoozed_until": None},
            "snooze": {"status": "snoozed", "snoozed_until": body.get("until")},
            "read": {"unread": 0},
        }
        if verb == "assign":
            name = next((one.name for one in self.agents if one.id == body["agent"]), None)
            return given(self.change(chat.id, handler="agent" if name else "queue", assignee=name))
        if verb not in values:
            return refusal(404, "not_found", verb)
        return given(self.change(chat.id, **values[verb]))

    async def _customer(self, request: web.Request) -> web.Response:
        return given(self.customers[request.match_info["id"]])

    async def _memories(self, request: web.Request) -> web.Response:
        return given(m.Page[m.Memory](items=self.memories.get(request.match_info["id"], [])))

    async def _remember(self, request: web.Request) -> web.Response:
        body = await request.json()
        memory = self.remember(request.match_info["id"], body["text"], body.get("type", "fact"))
        self.emit("memory.updated", memory.model_dump(mode="json"))
        return given(memory, 201)

    async def _change_memory(self, request: web.Request) -> web.Response:
        listed = self.memories[request.match_info["id"]]
        at_ = [one.id for one in listed].index(request.match_info["mid"])
        listed[at_] = listed[at_].model_copy(update=await request.json())
        self.emit("memory.updated", listed[at_].model_dump(mode="json"))
        return given(listed[at_])

    async def _forget(self, request: web.Request) -> web.Response:
        listed = self.memories[request.match_info["id"]]
        listed[:] = [one for one in listed if one.id != request.match_info["mid"]]
        self.emit("memory.updated", {"id": request.match_info["mid"], "deleted": True})
        return web.Response(status=204)

    async def _trace(self, request: web.Request) -> web.Response:
        trace = self.traces.get(request.match_info["id"])
        return given(trace) if trace else refusal(404, "not_found", "no trace")

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        after = request.query.get("after")
        frames: list[dict[str, Any]] = [{"type": "hello", "data": {"seq": self.seq, "version": "0.1"}}]
        if after is not None:
            if int(after) > self.seq or int(after) < self.oldest:
                frames.append({"type": "resync", "data": {"seq": self.seq}})
            else:
                frames += [frame for seq, frame in self.events if seq > int(after)]
        for chat_id, (message_id, text) in self.live.items():
            data = {"conversation_id": chat_id, "message_id": message_id, "offset": 0, "text": text}
            frames.append({"type": "token", "data": data})
        self.sockets.add(socket)
        try:
            for frame in frames:
                await socket.send_str(json.dumps(frame))
            async for incoming in socket:
                if incoming.type is WSMsgType.TEXT:
                    self.heard.append(json.loads(incoming.data))
        except ConnectionError:
            pass
        finally:
            self.sockets.discard(socket)
        return socket

    async def drop_lines(self) -> None:
        """Cut every socket."""
        for socket in list(self.sockets):
            with contextlib.suppress(ConnectionError):
                await socket.close(code=1011)


def given(value: Any, status: int = 200) -> web.Response:
    return web.json_response(text=value.model_dump_json(), status=status)


def refusal(status: int, code: str, message: str, details: object = None) -> web.Response:
    error = {"code": code, "message": message, "details": details}
    return web.json_response({"error": error}, status=status)
