"""Logins through an organisation's identity provider: whose identity there is whose account here, and attempts."""

from __future__ import annotations

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel


class OidcIdentity(SQLModel, table=True):
    """Who somebody is at a provider, bound to an account by that person. One identity, one account."""

    __tablename__ = "oidc_identity"
    __table_args__ = (UniqueConstraint("issuer", "user_id"),)

    issuer: str = Field(primary_key=True)
    subject: str = Field(primary_key=True)
    user_id: str = Field(foreign_key="user_account.id", index=True)
    organisation_id: str
    bound_at: str


class OidcAttempt(SQLModel, table=True):
    """A browser was sent to the provider and is awaited back. Good for ten minutes and for one answer."""

    __tablename__ = "oidc_attempt"

    token_sha256: str = Field(primary_key=True)  # of the cookie
    state_sha256: str
    nonce: str
    verifier: str  # PKCE
    purpose: str  # login | bind
    user_id: str  # who binds; "" for a login
    next: str  # where to go afterwards, a path
    expires_at: str = Field(index=True)
