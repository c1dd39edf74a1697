"""What the assistant says in its own words. Everything else it says is quoted from the knowledge."""

from __future__ import annotations

from collections.abc import Sequence

from invent_server.assistant.language import spoken
from shared.i18n import LANGUAGES, Texts, texts


def catalog(language: str, default: str) -> Texts:
    """The texts for a customer who writes in `language`."""
    return texts("server", spoken(language, LANGUAGES, default))


def greeting(tr: Texts, company: str) -> str:
    if company:
        return tr("Hello! I am the automatic assistant of {company}. How can I help you?", company=company)
    return tr("Hello! I am the automatic assistant. How can I help you?")


def greeting_again(tr: Texts) -> str:
    return tr("Hello! How can I help you?")


def thanks(tr: Texts) -> str:
    return tr("You are welcome. I am here if you need anything else.")


def goodbye(tr: Texts) -> str:
    return tr("Goodbye, and thank you for writing!")


def are_you_bot(tr: Texts, company: str) -> str:
    """Honest: it is a machine, and a person can be had."""
    if company:
        return tr(
            "I am the automatic assistant of {company}, not a person. To talk to a person, write “agent” at any time.",
            company=company,
        )
    return tr("I am an automatic assistant, not a person. To talk to a person, write “agent” at any time.")


def declined(tr: Texts) -> str:
    return tr("All right. I am here if you need anything else.")


def tell_me(tr: Texts) -> str:
    return tr("Tell me what you need and I will look it up.")


def rephrase(tr: Texts) -> str:
    return tr(
        "I am sorry that this was not it. Can you tell me in other words what you need? "
        "To talk to a person, write “agent”."
    )


def which(tr: Texts, titles: Sequence[str]) -> str:
    """The question back; `options_of` (choosing.py) reads the titles from it again."""
    head = tr("Which of these is your question about?")
    options = "\n".join(f"{number}. {title}" for number, title in enumerate(titles, 1))
    tail = tr("Write its number, or “agent” to talk to a person.")
    return f"{head}\n{options}\n{tail}"


def choose(tr: Texts) -> str:
    return tr("Write the number of the topic that fits, or “agent” to talk to a person.")


def in_another_language(tr: Texts, language: str, only: bool) -> str:
    """The line before a quote from a page in another language than the customer's; `only`: no page is in his."""
    names = {
        "es": tr("Spanish"),
        "en": tr("English"),
        "fr": tr("French"),
        "de": tr("German"),
        "pt": tr("Portuguese"),
        "it": tr("Italian"),
        "ca": tr("Catalan"),
    }
    name = names.get(language) or tr("another language")
    return tr("I only have this in {language}:", language=name) if only else tr("This is in {language}:", language=name)


def nobody(tr: Texts) -> str:
    """Added to a handoff when no person is there, and no hours say when one will be."""
    return tr("Nobody is here right now; you will be answered here as soon as somebody is back.")


def leave_email(tr: Texts) -> str:
    """Added to a handoff on a page that may be closed before the answer comes."""
    return tr("Leave your email address, and we can reach you when this page is closed.")


def handoff(tr: Texts, reason: str, away: str = "") -> str:
    """What happens next; `away` says when a person will be back (conversations/hours.py)."""
    return f"{_passing_on(tr, reason)} {away}".rstrip()


def _passing_on(tr: Texts, reason: str) -> str:
    if reason == "asked_human":
        return tr("Of course. I am passing you on to a colleague, who will answer you here.")
    if reason == "index_unavailable":
        return tr("I cannot look this up right now. I am passing it on to a colleague, who will answer you here.")
    if reason == "no_text":
        return tr("I cannot read files or pictures. A colleague will look at it and answer you here.")
    if reason in ("escalation", "restricted"):
        return tr("I am passing this on to a colleague, who will answer you here.")
    if reason == "unclear":
        return tr("I have not found the right answer. I am passing it on to a colleague, who will answer you here.")
    return tr("I have no certain answer to that. I am passing it on to a colleague, who will answer you here.")
