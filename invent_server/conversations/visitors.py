"""Who writes from outside: customers found or made by their identity, and the conversation they go on with."""

from __future__ import annotations

from dataclasses import dataclass

from sqlmodel import Session, col, select

from invent_server.conversations.changes import CONVERSATION, CUSTOMER
from invent_server.store import tables as t
from invent_server.store.order import place
from invent_server.store.session import announce, now
from shared.clock import SECOND
from shared.ids import new_id
from shared.text import clean_line, storable


@dataclass(frozen=True, slots=True)
class Visit:
    """The customer behind an identity and the conversation that goes on."""

    customer_id: str
    customer_name: str
    identity: str
    conversation_id: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What a channel says of a customer. `name`, `email`, `phone` are claims unless `verified`."""

    external_id: str
    verified: bool = False
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    locale: str | None = None
    former: str | None = None
    """Who this customer was on the same page before they proved who they are: those chats become theirs."""


def visit(session: Session, inbox: t.Inbox, claim: Claim, reopen: float) -> Visit:
    """Find or make the customer of `claim` and the conversation to go on with.

    A conversation closed less than `reopen` seconds ago goes on; older ones stay closed and a new one begins.
    """
    customer = _customer(session, inbox, claim)
    limit = now(session) - round(reopen * SECOND)
    last = session.exec(
        select(t.Conversation)
        .where(t.Conversation.customer_id == customer.id, t.Conversation.inbox_id == inbox.id)
        .order_by(col(t.Conversation.created_at).desc(), col(t.Conversation.id).desc())
        .limit(1)
    ).one_or_none()
    if last is None or (last.status == "closed" and (last.closed_at or 0) < limit):
        last = start_conversation(session, inbox, customer, claim.locale)
    return Visit(customer.id, customer.name, claim.external_id, last.id)


def start_conversation(
    session: Session, inbox: t.Inbox, customer: t.Customer, language: str | None = None
) -> t.Conversation:
    """An empty conversation: shown nowhere until somebody writes."""
    moment = now(session)
    row = t.Conversation(
        id=new_id(),
        inbox_id=inbox.id,
        assistant_id=inbox.assistant_id,
        customer_id=customer.id,
        language=language or customer.language,
        created_at=moment,
        updated_at=moment,
    )
    row.need, row.need_at = place(row)
    session.add(row)
    session.flush()
    return row


def _new_customer(session: Session, locale: str | None) -> t.Customer:
    customer = t.Customer(id=new_id(), language=locale, created_at=now(session), updated_at=now(session))
    session.add(customer)
    session.flush()
    return customer


def _anonymous(session: Session, inbox: t.Inbox, external_id: str | None) -> t.Customer | None:
    """The customer whom the inbox knows by nothing but this unproven identity."""
    if external_id is None:
        return None
    query = select(t.Customer).join(t.Identity).where(t.Identity.inbox_id == inbox.id, t.Identity.verified == False)  # noqa: E712
    customer = session.exec(query.where(t.Identity.external_id == external_id)).one_or_none()
    if customer is None or len(session.exec(select(t.Identity).where(t.Identity.customer_id == customer.id)).all()) > 1:
        return None
    return customer


def _customer(session: Session, inbox: t.Inbox, claim: Claim) -> t.Customer:
    moment = now(session)
    identity = session.exec(
        select(t.Identity).where(t.Identity.inbox_id == inbox.id, t.Identity.external_id == claim.external_id)
    ).one_or_none()
    if identity is None:
        customer = _anonymous(session, inbox, claim.former) or _new_customer(session, claim.locale)
        identity = t.Identity(
            id=new_id(),
            customer_id=customer.id,
            inbox_id=inbox.id,
            external_id=claim.external_id,
            verified=claim.verified,
            created_at=moment,
        )
        session.add(identity)
    else:
        customer = session.get_one(t.Customer, identity.customer_id)
    changed = False
    for field, value in (("name", claim.name), ("email", claim.email), ("phone", claim.phone)):
        kept = clean_line(storable(value), 200) if value else None
        if kept and getattr(customer, field) != kept:
            setattr(customer, field, kept)
            changed = True
    if not customer.name:
        customer.name, changed = f"#{customer.id[-6:]}", True
    if changed:
        customer.updated_at = moment
        session.add(customer)
        announce(session, CUSTOMER, customer.id)
        for talk in session.exec(
            select(t.Conversation).where(t.Conversation.customer_id == customer.id, t.Conversation.need != t.HIDDEN)
        ):  # they show the customer's name
            announce(session, CONVERSATION, talk.id, conversation_id=talk.id, inbox_id=talk.inbox_id)
    session.flush()
    return customer
