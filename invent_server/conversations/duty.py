"""Is a person there for an inbox? What a customer is told about waiting follows from it."""

from __future__ import annotations

from invent_server.conversations.hours import Schedule
from invent_server.stream.hub import Hub


def on_duty(hub: Hub, inbox_id: str, hours: Schedule | None, at: int) -> bool:
    """Where hours are given they decide; else a person is there while somebody who may see the inbox has it open."""
    if hours is not None:
        return hours.is_open(at)
    wanted = frozenset((inbox_id,))
    return any(agent.sees(wanted) for agent in hub.agents)
