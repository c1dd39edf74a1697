"""`invent` with 64 KiB wasted for each open chat: the control of tests/bench/idle.py, which must see it."""

from __future__ import annotations

from typing import Any

from invent_server.cli.main import main
from invent_server.stream import hub

WASTE = 65_536
_hoard: list[bytes] = []
_join = hub.Hub.join_visitor


def join(self: hub.Hub, socket: Any) -> None:
    _hoard.append(b"\x01" * WASTE)
    _join(self, socket)


if __name__ == "__main__":
    hub.Hub.join_visitor = join  # type: ignore[method-assign]
    main()
