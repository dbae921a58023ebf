"""Tokens of hospitals' systems: opaque, known only by their hash, for a quarter of an hour and for uploads alone."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session, select

from rwd_platform.access.assertions import LEEWAY, Claims
from rwd_platform.access.permissions import Action
from rwd_platform.access.roles import Role
from rwd_platform.core.canonical import sha256_hex
from rwd_platform.core.clock import as_text
from rwd_platform.log.entry import Actor
from rwd_platform.records.records import Records
from rwd_platform.records.tables import ClientAssertion, ClientToken, MachineClient

LIFE = timedelta(minutes=15)
# What a system may do in its hospital's name: send, and learn what became of it. Nothing that shows a patient's line.
SCOPES = (Action.UPLOAD_CREATE, Action.UPLOAD_READ, Action.RECEIPT_READ)
_TOKEN_BYTES = 32


@dataclass(frozen=True)
class Machine:
    """A system at the door: as whom it acts, and the actions that its token names."""

    client: MachineClient
    actor: Actor
    scopes: frozenset[str]


def actor_of(client: MachineClient) -> Actor:
    return Actor(client.id, Role.HOSPITAL, client.organisation_id)


def find_machine(records: Records, token: str) -> Machine | None:
    """Whose token this is; None when it is unknown or over, or the system was revoked."""
    row = records.find(ClientToken, _sha256(token))
    if row is None or row.expires_at <= as_text(records.clock()):
        return None
    client = records.find(MachineClient, row.client_id)
    if client is None or client.revoked_at:
        return None
    return Machine(client, actor_of(client), frozenset(row.scope.split()))


def spend_assertion(session: Session, client: MachineClient, claims: Claims, now: datetime) -> bool:
    """Keep the assertion's id until it would have run out anyway. False where it is kept already.

    The caller's transaction is the only writer while it lasts, so that of two at once one is the second.
    """
    over = select(ClientAssertion).where(
        ClientAssertion.client_id == client.id, ClientAssertion.expires_at <= as_text(now)
    )
    for row in session.exec(over).all():
        session.delete(row)
    session.flush()
    key = _sha256(claims.jti)
    if session.get(ClientAssertion, (client.id, key)) is not None:
        return False
    session.add(
        ClientAssertion(
            client_id=client.id,
            jti_sha256=key,
            organisation_id=client.organisation_id,
            expires_at=as_text(claims.expires + LEEWAY),
        )
    )
    return True


def add_token(session: Session, client: MachineClient, scopes: list[str], now: datetime) -> str:
    """A new token, which exists in clear only in what this returns. The client's old ones that are over go."""
    over = select(ClientToken).where(
        ClientToken.client_id == client.id, ClientToken.expires_at <= as_text(now)
    )
    for row in session.exec(over).all():
        session.delete(row)
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    session.add(
        ClientToken(
            token_sha256=_sha256(token),
            client_id=client.id,
            organisation_id=client.organisation_id,
            scope=" ".join(scopes),
            issued_at=as_text(now),
            expires_at=as_text(now + LIFE),
        )
    )
    return token


def end_tokens(session: Session, client_id: str) -> None:
    """Every token of the system is worth nothing from now on."""
    for row in session.exec(select(ClientToken).where(ClientToken.client_id == client_id)).all():
        session.delete(row)


def _sha256(text: str) -> str:
    return sha256_hex(text.encode("utf-8", "replace"))
