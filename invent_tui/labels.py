"""The machine's words in words: reasons, intents, outcomes, what happened, steps of a message's way. Message ids."""

from __future__ import annotations


def _(text: str) -> str:
    """Marks a text for translation where it is translated later."""
    return text


REASONS = {
    "asked_human": _("asked for a person"),
    "no_evidence": _("no evidence in the knowledge"),
    "unclear": _("could not find out what is meant"),
    "no_text": _("something without text"),
    "index_unavailable": _("the search index was away"),
    "deadline": _("the assistant took too long"),
    "failed": _("the assistant failed"),
    "unassigned": _("given to the queue"),
    "reopened": _("opened again"),
    "agent_away": _("the agent is away"),
    "escalation": _("the instructions want a person"),
    "restricted": _("the answer would have said what is forbidden"),
    "high_value": _("a valuable customer or order"),
    "frustration": _("the customer is upset"),
    "sensitive": _("a sensitive subject"),
    "suggested": _("a reply waits for approval"),
    "humans_first": _("people answer first here"),
    "off": _("the assistant is off here"),
    "found": _("found in the knowledge"),
    "several_candidates": _("several pages are close"),
    "choose": _("reminded of the question back"),
    "rephrase": _("asked to say it in other words"),
    "greeting": _("a greeting"),
    "thanks": _("thanks"),
    "goodbye": _("a goodbye"),
    "ack": _("an acknowledgement"),
    "emoji": _("no words"),
    "affirm": _("a yes"),
    "negate": _("a no"),
    "declined": _("a friendly no"),
    "are_you_bot": _("asked whether this is a machine"),
    "takeover": _("a person took over"),
    "superseded": _("the customer wrote more"),
    "restart": _("the server was started again"),
}
"""Why something was done, or a chat was handed over; another word than these comes with a sentence of its own."""
INTENTS = {
    "order_status": _("order status"),
    "tracking": _("tracking"),
    "returns": _("returns"),
    "refund": _("refund"),
    "damaged_item": _("damaged item"),
    "damaged": _("damaged item"),
    "shipping": _("shipping"),
    "payment": _("payment"),
    "instalments": _("instalments"),
    "invoice": _("invoice"),
    "account": _("account"),
    "discount": _("discount"),
    "loyalty": _("loyalty points"),
    "gift_card": _("gift card"),
    "product_question": _("product question"),
    "product_care": _("product care"),
    "cancel_order": _("cancel the order"),
    "complaint": _("complaint"),
    "availability": _("availability"),
    "warranty": _("warranty"),
    "bulk_order": _("bulk order"),
    "shop": _("the shop"),
    "other": _("something else"),
}
OUTCOMES = {
    "answer": _("answers"),
    "ask": _("asks back"),
    "handoff": _("hands over"),
    "silence": _("says nothing"),
    "suggest": _("suggests"),
    "act": _("acts"),
    "route": _("routes"),
}
NAMED = {
    "takeover": _("{name} took over"),
    "handback": _("{name} handed back to the assistant"),
    "unassigned": _("{name} gave it to the queue"),
    "assigned": _("{name} assigned it to {other}"),
    "resolved": _("{name} resolved it"),
    "reopened": _("{name} opened it again"),
    "snoozed": _("{name} snoozed it"),
}
"""What a colleague did."""
HAPPENED = {
    "suggested": _("The assistant suggests a reply"),
    "satisfied": _("Closed: the customer was satisfied"),
    "no_reply": _("Closed: the customer wrote no more"),
    "until_written": _("Snoozed until the customer writes"),
}
"""What happened by itself."""
STEPS = {
    "received": _("received"),
    "verified": _("verified"),
    "stored": _("stored"),
    "waited": _("waited"),
    "claimed": _("claimed"),
    "understood": _("understood"),
    "searched": _("searched"),
    "quoted": _("quoted"),
    "prompted": _("prompted"),
    "model": _("model"),
    "shown": _("shown"),
    "summarised": _("summarised"),
    "outcome": _("outcome"),
    "running": _("running"),
    "queued": _("queued"),
    "sent": _("sent"),
    "not sent": _("not sent"),
    "delivered": _("delivered"),
    "read": _("read"),
    "failed": _("failed"),
    "uncertain": _("uncertain"),
    "withdrawn": _("withdrawn"),
    "takeover": _("taken over"),
    "superseded": _("superseded"),
    "restart": _("cut off"),
}
"""The way of a message (store/tracing.py)."""
PRIORITIES = {"low": _("low"), "normal": _("normal"), "high": _("high"), "urgent": _("urgent")}
MEMORY_TYPES = {
    "language": _("language"),
    "product_use": _("product use"),
    "issue": _("issue"),
    "goal": _("goal"),
    "preference": _("preference"),
    "fact": _("fact"),
}
