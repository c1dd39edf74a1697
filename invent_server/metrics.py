"""Figures for Prometheus (`/metrics`): what came in, how turns ended, what became of sends, who listens."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

RECEIVED = Counter("invent_messages_received_total", "Messages of customers that were stored", ["channel"])
TURNS = Counter("invent_turns_total", "Turns of the assistant by outcome", ["outcome"])
TURN_SECONDS = Histogram(
    "invent_turn_seconds",
    "From the claim to the outcome of a turn",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 15, 45),
)
SENDS = Counter("invent_sends_total", "Messages on their way out by what became of them", ["state"])
SOCKETS = Gauge("invent_sockets", "Open sockets", ["kind"])
