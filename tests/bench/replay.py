"""From the edit of an instruction to the new answer on the terminal, beside the model's own time: one JSON line.

    python -m tests.bench.replay [--rounds 20] [--first 0.3] [--token 0.02]

The real server, a stand-in for Ollama in a process of its own, and the inbox behind a pseudo-terminal. Each round types
a word into a section and presses F5; `visible_ms` lasts until the last word of the new answer was written to the
terminal. `added_ms`: without the time from the stand-in's getting the request to its last byte. `first_added_ms`: the
same for the first word. `model_asked` counts the rounds in which the stand-in's prompt held the word typed.
"""

from __future__ import annotations

import argparse
import json
import time
import urllib.request
from typing import Any

from tests.bench.live import Server, percentile, report, serving
from tests.bench.model import double
from tests.tui.terminal import Terminal

QUESTION = "How long do refunds take to reach my card?"
F5, TAB = b"\x1b[15~", b"\t"
WORDS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description="Edit of an instruction to the new answer on the terminal.")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--first", type=float, default=0.3)
    parser.add_argument("--token", type=float, default=0.02)
    given = parser.parse_args()
    with double(given.first) as address:
        told(address, "script", {"timing": {"first": given.first, "token": given.token}})
        with serving(demo=True, settings={"OLLAMA_HOST": address, "INVENT_CHAT_MODEL": "chat:4b"}) as server:
            found = measure(server, address, given.rounds)
    report(bench="replay", **found, rounds=given.rounds, first=given.first, token=given.token)


def measure(server: Server, address: str, rounds: int) -> dict[str, float]:
    """The rounds, one after the other."""
    asked(server)
    screen = Terminal(server.url, server.token)
    try:
        screen.read(0.3, 20, b"Waiting")
        for keys in (b"/", b"channel:web text:refunds\r", b"\r", b"i"):
            screen.press(keys)
            screen.read(0.8, 3)
        screen.press(TAB)  # to the section `tone`
        screen.read(0.5, 2)
        visible, first, added, first_added, held = [], [], [], [], 0
        for number in range(rounds):
            begin, last, word = f"Begin{number}x", f"End{number}x", f"Word{number}x"
            text = [f"{begin} [1] ", *(f"refund{n} " for n in range(WORDS - 2)), last]
            told(address, "script", {"rules": [{"steps": [{"text": text}]}]})
            screen.press(f" {word}".encode())
            screen.read(0.3, 2)
            before = len(told(address, "log"))
            pressed = screen.press(F5)
            data, shown_first = screen.read(0.02, 15, begin.encode())
            _, shown = (data, shown_first) if last.encode() in data else screen.read(0.02, 15, last.encode())
            time.sleep(0.2)
            entry = next(one for one in told(address, "log")[before:] if one["path"] == "/api/chat")
            held += word in entry["body"]["messages"][0]["content"]
            visible.append((shown - pressed) * 1000)
            first.append((shown_first - pressed) * 1000)
            added.append(visible[-1] - (entry["ended"] - entry["came"]) * 1000)
            first_added.append(first[-1] - (entry["began"] - entry["came"]) * 1000)
    finally:
        screen.end()
    shares = {"p50": 0.5, "p95": 0.95}
    kinds = {"added_ms": added, "first_added_ms": first_added, "visible_ms": visible}
    figures = {
        f"{kind}_{name}": round(percentile(of, at), 1) for kind, of in kinds.items() for name, at in shares.items()
    }
    return {**figures, "model_asked": held}


def asked(server: Server) -> None:
    """A customer asks, and is answered."""
    token, talk = server.session("demo")
    server.call("POST", "/web/demo/messages", {"text": QUESTION, "client_id": "replay"}, token=token)
    until = time.monotonic() + 60
    while server.call("GET", f"/api/v1/conversations/{talk}")["waiting_since"] is not None:
        if time.monotonic() > until:
            raise TimeoutError("the customer was not answered")
        time.sleep(0.1)


def told(address: str, what: str, body: Any = None) -> Any:
    """Script the stand-in, or read its log."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{address}/__double__/{what}", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


if __name__ == "__main__":
    main()
