"""Public keys of agents: what counts as one, and who has which. Light: asyncssh is not needed for this."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import warnings
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from sqlmodel import Session, col, select

from invent_server.conversations.errors import Refused, not_found
from invent_server.store import tables as t
from invent_server.store.session import now
from invent_server.team import agent_row
from shared import models as m
from shared.clock import to_rfc3339
from shared.ids import new_id
from shared.text import clean_line

MIN_RSA = 2048
LONGEST = 16_384
"""Characters of a key's line: RSA with 16384 bits needs 2,800."""
KINDS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-rsa",
)
_PRIVATE = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----|PuTTY-User-Key-File")
_KIND = re.compile(r"(?:ssh|sk-ssh|ecdsa|sk-ecdsa|webauthn-sk)-[a-z0-9@.-]+")


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One line of an id_*.pub file, read. `fingerprint` as `ssh-keygen -l` shows it."""

    kind: str
    base64: str
    comment: str
    fingerprint: str

    @property
    def line(self) -> str:
        return f"{self.kind} {self.base64}"


def read_key(text: str) -> PublicKey:
    """The public key in `text`. Raises Refused, with one line that says what is wrong with it and what to give."""
    if _PRIVATE.search(text):
        raise _wrong("this is a private key: keep it to yourself, and give the file whose name ends in .pub")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        raise _wrong("there is no key in it; give a file such as ~/.ssh/id_ed25519.pub")
    if len(lines) > 1:
        raise _wrong(f"holds {len(lines)} lines; give one key at a time")
    if len(lines[0]) > LONGEST:
        raise _wrong("is too long for a public key; give a file such as ~/.ssh/id_ed25519.pub")
    kind, _, rest = lines[0].partition(" ")
    if kind not in KINDS:
        raise _no_kind(kind, rest)
    body, _, comment = rest.strip().partition(" ")
    blob = _blob(kind, body)
    fingerprint = "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return PublicKey(kind, body, clean_line(comment, 100), fingerprint)


def _no_kind(kind: str, rest: str) -> Refused:
    if "-cert-" in kind:
        return _wrong("is a certificate; give the plain public key")
    if kind == "ssh-dss":
        return _wrong("is a DSA key, which is broken; make a new one with ssh-keygen -t ed25519")
    if not _KIND.fullmatch(kind) and any(part in KINDS for part in rest.split()):
        return _wrong("begins with options of an authorized_keys file; give the line from the .pub file, without them")
    if _KIND.fullmatch(kind):
        return _wrong(f"is of the unknown type {clean_line(kind, 60)!r}; make a new one with ssh-keygen -t ed25519")
    return _wrong("is no public key of OpenSSH; give a file such as ~/.ssh/id_ed25519.pub")


def _blob(kind: str, body: str) -> bytes:
    """The key's bytes, if they are a key of that kind and good enough."""
    try:
        blob = base64.b64decode(body, validate=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            key = load_ssh_public_key(f"{kind} {body}".encode("ascii"))
    except (ValueError, binascii.Error, UnsupportedAlgorithm, UnicodeError):
        raise _wrong("is damaged or cut off; copy the whole line of the .pub file") from None
    if isinstance(key, RSAPublicKey) and key.key_size < MIN_RSA:
        short = f"is an RSA key of {key.key_size} bits, too few; make a new one with ssh-keygen -t ed25519"
        raise _wrong(short)
    return blob


def _wrong(problem: str) -> Refused:
    return Refused("invalid", f"key: {problem}", [{"field": "key", "problem": problem}])


def add_key(session: Session, name: str, text: str) -> m.AgentKey:
    """Let an agent in with a key. The same key again changes nothing; that of a colleague is refused."""
    agent = agent_row(session, name)
    key = read_key(text)
    known = session.exec(select(t.AgentKey).where(t.AgentKey.fingerprint == key.fingerprint)).one_or_none()
    if known is None:
        known = t.AgentKey(
            id=new_id(),
            agent_id=agent.id,
            fingerprint=key.fingerprint,
            public=key.line,
            comment=key.comment,
            created_at=now(session),
        )
        session.add(known)
        session.flush()
    elif known.agent_id != agent.id:
        other = session.get_one(t.Agent, known.agent_id).name
        raise Refused("exists", f"key: belongs to the agent {other!r}; remove it there first, or give another")
    return _wire(known)


def keys_of(session: Session, name: str) -> list[m.AgentKey]:
    """An agent's keys, oldest first."""
    agent = agent_row(session, name)
    rows = session.exec(select(t.AgentKey).where(t.AgentKey.agent_id == agent.id).order_by(col(t.AgentKey.created_at)))
    return [_wire(row) for row in rows]


def remove_key(session: Session, name: str, fingerprint: str) -> str:
    """Take a key from an agent (with or without `SHA256:`); the agent's id. Sessions that it opened are ended."""
    agent = agent_row(session, name)
    wanted = "SHA256:" + fingerprint.strip().removeprefix("SHA256:").rstrip("=")
    found = select(t.AgentKey).where(t.AgentKey.agent_id == agent.id, t.AgentKey.fingerprint == wanted)
    row = session.exec(found).one_or_none()
    if row is None:
        raise not_found(f"key {clean_line(fingerprint, 80)!r} of {name!r}")
    session.delete(row)
    return agent.id


def _wire(row: t.AgentKey) -> m.AgentKey:
    return m.AgentKey(
        fingerprint=row.fingerprint,
        type=row.public.partition(" ")[0],
        comment=row.comment,
        created_at=to_rfc3339(row.created_at),
        used_at=to_rfc3339(row.used_at) if row.used_at else None,
        used_from=row.used_from,
    )
