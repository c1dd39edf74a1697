"""Lists: conversations by filter in the order of need, messages of a thread, customers."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Text, and_, false, func, not_, or_, true, type_coerce
from sqlmodel import Session, col, select

from invent_server.conversations.control import Actor
from invent_server.conversations.errors import Refused, not_found
from invent_server.store import order, wire
from invent_server.store import tables as t
from shared import models as m
from shared.clock import SECOND, to_rfc3339
from shared.filters import FilterError, parse

TALK = t.Conversation


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the list: which segment, and the keys of the row there."""

    segment: int
    need_at: int
    id: str


def encode(position: Position) -> str:
    raw = orjson.dumps([position.segment, position.need_at, position.id])
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(cursor: str) -> list[Any]:
    """The parts of a cursor. Raises Refused."""
    try:
        value = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:
        value = None
    if not isinstance(value, list):
        raise Refused("invalid", "the cursor is none of ours", [{"field": "cursor", "problem": "unknown"}])
    return value


def segments(actor: Actor) -> list[ColumnElement[bool]]:
    """The groups of the list for this agent, most needed first; each is one range of an index."""
    mine = col(TALK.assignee_id) == actor.id
    return [
        col(TALK.need) == order.WAITING_URGENT,
        col(TALK.need) == order.WAITING,
        and_(col(TALK.need) == order.AGENT, mine),
        and_(col(TALK.need) == order.AGENT, not_(mine)),
        col(TALK.need) == order.ASSISTANT,
        col(TALK.need) == order.SNOOZED,
        col(TALK.need) == order.CLOSED,
    ]


def conversations(
    session: Session, actor: Actor, filter_: str, limit: int, cursor: str | None, reverse: bool, now: int
) -> m.Page[m.Conversation]:
    """One page of the inbox. Raises Refused."""
    condition = and_(*conditions(session, actor, filter_, now))
    start = Position(*decode(cursor)) if cursor else None
    groups = list(enumerate(segments(actor)))
    if reverse:
        groups.reverse()
    rows: list[t.Conversation] = []
    places: list[int] = []
    for number, group in groups:
        if start is not None and ((number > start.segment) if reverse else (number < start.segment)):
            continue
        query = select(TALK).where(group, condition)
        if start is not None and number == start.segment:
            query = query.where(_beyond(start, reverse))
        keys = (col(TALK.need_at), col(TALK.id))
        query = query.order_by(*(key.desc() for key in keys) if reverse else keys).limit(limit + 1 - len(rows))
        found = session.exec(query).all()
        rows.extend(found)
        places.extend([number] * len(found))
        if len(rows) > limit:
            break
    more = len(rows) > limit
    rows, places = rows[:limit], places[:limit]

    def at(index: int) -> str:
        return encode(Position(places[index], rows[index].need_at, rows[index].id))

    return m.Page(
        items=wire.conversations(session, rows),
        next_cursor=at(-1) if more else None,
        prev_cursor=at(0) if rows and cursor else None,
    )


def _beyond(start: Position, reverse: bool) -> ColumnElement[bool]:
    at, id_ = col(TALK.need_at), col(TALK.id)
    if reverse:
        return or_(at < start.need_at, and_(at == start.need_at, id_ < start.id))
    return or_(at > start.need_at, and_(at == start.need_at, id_ > start.id))


def counts(session: Session, actor: Actor, filter_: str | None, now: int) -> m.Counts:
    """How many conversations stand in each group, and how many match `filter_`."""
    seen = _seen(actor)
    groups: dict[int, int] = dict(
        session.exec(select(TALK.need, func.count()).where(*seen).group_by(col(TALK.need))).all()
    )
    mine = session.exec(select(func.count()).where(*seen, TALK.need == order.AGENT, TALK.assignee_id == actor.id)).one()
    oldest = session.exec(
        select(func.min(TALK.need_at)).where(*seen, col(TALK.need).in_((order.WAITING_URGENT, order.WAITING)))
    ).one()
    matching = None
    if filter_:
        matching = session.exec(select(func.count()).where(*conditions(session, actor, filter_, now))).one()
    elif filter_ is not None:
        matching = sum(count for need, count in groups.items() if need != t.HIDDEN)
    return m.Counts(
        waiting=groups.get(order.WAITING_URGENT, 0) + groups.get(order.WAITING, 0),
        mine=mine,
        agents=groups.get(order.AGENT, 0) - mine,
        assistant=groups.get(order.ASSISTANT, 0),
        snoozed=groups.get(order.SNOOZED, 0),
        closed=groups.get(order.CLOSED, 0),
        matching=matching,
        oldest_waiting_since=to_rfc3339(oldest) if oldest else None,
    )


def _seen(actor: Actor) -> list[ColumnElement[bool]]:
    return [] if actor.inboxes is None else [col(TALK.inbox_id).in_(sorted(actor.inboxes))]


def conditions(session: Session, actor: Actor, filter_: str, now: int) -> list[ColumnElement[bool]]:
    """The filter as SQL. Raises Refused 422 with the position of the mistake."""
    try:
        terms = parse(filter_)
    except FilterError as error:
        raise Refused(
            "invalid",
            f"filter: {error}",
            [{"field": "filter", "problem": error.problem, "position": error.position}],
        ) from None
    found: list[ColumnElement[bool]] = [col(TALK.need) != t.HIDDEN, *_seen(actor)]
    for term in terms:
        condition = or_(false(), *(_one(actor, term.key, value, now) for value in term.values))
        found.append(not_(func.coalesce(condition, false())) if term.negated else condition)
    return found


def _one(actor: Actor, key: str, value: str, now: int) -> ColumnElement[bool]:
    if key == "is":
        return {
            "unread": col(TALK.unread) > 0,
            "waiting": and_(col(TALK.handler) == "queue", col(TALK.status) == "open"),
            "mine": and_(col(TALK.handler) == "agent", col(TALK.assignee_id) == actor.id),
            "assistant": and_(col(TALK.handler) == "assistant", col(TALK.status) == "open"),
            "open": col(TALK.status) == "open",
            "snoozed": col(TALK.status) == "snoozed",
            "closed": col(TALK.status) == "closed",
        }[value]
    if key == "handler":
        return col(TALK.handler) == value
    if key == "priority":
        return col(TALK.priority) == value
    if key == "intent":
        return col(TALK.intent) == value.casefold()
    if key == "lang":
        return col(TALK.language) == value.casefold()
    if key == "tag":
        return _like(type_coerce(col(TALK.tags), Text), '"' + value.casefold() + '"')
    if key in ("older", "newer"):
        limit = now - round(float(value) * SECOND)
        at = func.coalesce(TALK.last_at, TALK.created_at)
        return at < limit if key == "older" else at >= limit
    return _related(actor, key, value)


def _related(actor: Actor, key: str, value: str) -> ColumnElement[bool]:
    """Conditions on what a conversation refers to."""
    if key == "channel":
        return col(TALK.inbox_id).in_(select(t.Inbox.id).where(t.Inbox.kind == value))
    if key == "inbox":
        return col(TALK.inbox_id).in_(select(t.Inbox.id).where(t.Inbox.name == value))
    if key == "assignee":
        if value == "me":
            return col(TALK.assignee_id) == actor.id
        if value == "none":
            return col(TALK.assignee_id).is_(None)
        return col(TALK.assignee_id).in_(
            select(t.Agent.id).where(or_(col(t.Agent.name) == value, col(t.Agent.id) == value))
        )
    if key == "customer":
        found = select(t.Customer.id).where(or_(col(t.Customer.id) == value, _like(col(t.Customer.name), value)))
        return col(TALK.customer_id).in_(found)
    named = select(t.Customer.id).where(_like(col(t.Customer.name), value))
    said = (
        select(t.Message.conversation_id)
        .where(t.Message.conversation_id == TALK.id, _like(col(t.Message.text), value))
        .exists()
    )
    return or_(col(TALK.customer_id).in_(named), said) if value else true()


def _like(column: Any, value: str) -> ColumnElement[bool]:
    escaped = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    result: ColumnElement[bool] = column.ilike(f"%{escaped}%", escape="\\")
    return result


def visible_conversation(session: Session, actor: Actor, conversation_id: str) -> t.Conversation:
    """A conversation that the actor may see. Raises Refused not_found."""
    row = session.get(TALK, conversation_id)
    if row is None or (actor.inboxes is not None and row.inbox_id not in actor.inboxes):
        raise not_found("conversation")
    return row


def messages(
    session: Session, conversation_id: str, limit: int, cursor: str | None, reverse: bool
) -> m.Page[m.Message]:
    """One page of a thread by seq, oldest first; `reverse`: newest first."""
    seq = col(t.Message.seq)
    query = select(t.Message).where(t.Message.conversation_id == conversation_id)
    if cursor:
        start = decode(cursor)[0]
        query = query.where(seq < start) if reverse else query.where(seq > start)
    rows = session.exec(query.order_by(seq.desc() if reverse else seq).limit(limit + 1)).all()
    page = rows[:limit]
    next_cursor = None
    if len(rows) > limit:
        next_cursor = base64.urlsafe_b64encode(orjson.dumps([page[-1].seq])).rstrip(b"=").decode()
    return m.Page(items=[wire.message(row) for row in page], next_cursor=next_cursor)


def customers(session: Session, actor: Actor, query: str, limit: int, cursor: str | None) -> m.Page[m.Customer]:
    """Customers whose name, email or phone holds `query`, by name."""
    found = select(t.Customer).order_by(col(t.Customer.name), col(t.Customer.id)).limit(limit + 1)
    if query:
        parts = (t.Customer.name, t.Customer.email, t.Customer.phone)
        found = found.where(or_(*(_like(col(part), query) for part in parts), col(t.Customer.id) == query))
    if actor.inboxes is not None:
        found = found.where(col(t.Customer.id).in_(select(TALK.customer_id).where(*_seen(actor))))
    if cursor:
        name, id_ = decode(cursor)
        found = found.where(or_(col(t.Customer.name) > name, and_(t.Customer.name == name, col(t.Customer.id) > id_)))
    rows = session.exec(found).all()
    page: Sequence[t.Customer] = rows[:limit]
    next_cursor = None
    if len(rows) > limit:
        next_cursor = base64.urlsafe_b64encode(orjson.dumps([page[-1].name, page[-1].id])).rstrip(b"=").decode()
    return m.Page(items=[wire.customer(session, row) for row in page], next_cursor=next_cursor)


def visible_customer(session: Session, actor: Actor, customer_id: str) -> t.Customer:
    """A customer that the actor may see: one who wrote in one of his inboxes. Raises Refused not_found."""
    row = session.get(t.Customer, customer_id)
    if row is not None and actor.inboxes is not None:
        wrote = session.exec(
            select(TALK.id)
            .where(TALK.customer_id == customer_id, col(TALK.inbox_id).in_(sorted(actor.inboxes)))
            .limit(1)
        ).first()
        row = row if wrote else None
    if row is None:
        raise not_found("customer")
    return row
