"""The API channel: anybody's own channel. In: a signed POST; out: a signed POST to `callback_url`.

Signatures are Standard Webhooks (https://www.standardwebhooks.com): HMAC-SHA256 over `id.timestamp.body` with a
`whsec_` secret, five minutes of tolerance. The message id is the webhook id in both directions: constant over retries.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, Protocol

import httpx
import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from standardwebhooks import Webhook, WebhookVerificationError

from invent_server.channels.base import (
    BadSignature,
    InboundMessage,
    Malformed,
    Outgoing,
    Refused,
    Result,
    Retry,
    Sent,
    Unknown,
)
from shared.clock import from_rfc3339


class Post(Protocol):
    """How a channel reaches the outside (delivery/egress.py)."""

    async def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> httpx.Response: ...


class _Customer(BaseModel):
    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)
    id: str = Field(min_length=1, max_length=200)
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    verified: bool = False


class _Inbound(BaseModel):
    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)
    type: str
    id: str = Field(min_length=1, max_length=300)
    customer: _Customer
    text: str = ""
    sent_at: str | None = None


class Api:
    kind: ClassVar[str] = "api"
    keys: ClassVar[tuple[str, ...]] = ("webhook_secret", "callback_url")
    secrets: ClassVar[tuple[str, ...]] = ("webhook_secret",)
    required: ClassVar[tuple[str, ...]] = ("webhook_secret",)
    instant: ClassVar[bool] = False

    def __init__(self, post: Post) -> None:
        self._post = post

    def verify(self, raw: bytes, headers: Mapping[str, str], settings: Mapping[str, Any]) -> None:
        lowered = {key.lower(): value for key, value in headers.items()}
        try:
            Webhook(str(settings.get("webhook_secret", ""))).verify(raw, lowered)
        except (WebhookVerificationError, ValueError, UnicodeError, RuntimeError, TypeError) as error:
            raise BadSignature(str(error) or "the signature is wrong") from None

    def parse(self, raw: bytes) -> list[InboundMessage]:
        try:
            body = _Inbound.model_validate(orjson.loads(raw))
            sent_at = from_rfc3339(body.sent_at) if body.sent_at else None
        except ValidationError as error:
            first = error.errors()[0]
            raise Malformed(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from None
        except ValueError as error:
            raise Malformed(str(error)) from None
        if body.type != "message" or not body.text.strip():
            return []
        who = body.customer
        return [InboundMessage(body.id, who.id, body.text, who.name, who.email, who.phone, who.verified, sent_at)]

    async def send(self, outgoing: Outgoing) -> Result:
        url = outgoing.settings.get("callback_url")
        if not url:
            return Refused("callback_url is not set; the message can arrive nowhere")
        message = outgoing.message
        body = orjson.dumps(
            {
                "type": "message",
                "id": message.id,
                "conversation_id": message.conversation_id,
                "customer_id": outgoing.recipient,
                "text": message.text,
                "citations": [citation.model_dump(mode="json") for citation in message.citations],
                "in_reply_to": outgoing.in_reply_to,
            }
        )
        moment = datetime.now(UTC)
        signature = Webhook(str(outgoing.settings["webhook_secret"])).sign(message.id, moment, body.decode())
        headers = {
            "content-type": "application/json",
            "webhook-id": message.id,
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": signature,
        }
        try:
            answer = await self._post(str(url), body, headers)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            return Retry(f"{url} cannot be reached: {error}")
        except (TimeoutError, httpx.HTTPError) as error:
            return Unknown(f"no answer from {url}: {error or type(error).__name__}")
        if answer.is_success:
            return Sent()
        if answer.status_code == 429 or answer.status_code >= 500:
            return Retry(f"{url} answered {answer.status_code}", _retry_after(answer))
        return Refused(f"{url} answered {answer.status_code}")


def _retry_after(answer: httpx.Response) -> float | None:
    value = answer.headers.get("retry-after", "")
    return min(float(value), 3600.0) if value.isdigit() else None
