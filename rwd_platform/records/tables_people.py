"""Who works here: organisations, accounts and logins."""

from __future__ import annotations

from sqlmodel import Field, SQLModel


class Organisation(SQLModel, table=True):
    """A hospital, the platform's operator, a sponsor or an authority."""

    __tablename__ = "organisation"

    id: str = Field(primary_key=True)
    kind: str  # hospital | operator | sponsor | authority
    name_zh: str
    name_en: str


class User(SQLModel, table=True):
    """A person who logs in, in one organisation and one role."""

    __tablename__ = "user_account"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(foreign_key="organisation.id", index=True)
    login: str = Field(unique=True)
    role: str  # rwd_platform.access.roles
    name: str
    password_hash: str
    language: str = "zh"
    created_at: str
    disabled_at: str | None = None


class WebSession(SQLModel, table=True):
    """A login. The cookie's value is stored only as a hash."""

    __tablename__ = "web_session"

    token_sha256: str = Field(primary_key=True)
    user_id: str = Field(foreign_key="user_account.id", index=True)
    organisation_id: str
    csrf_token: str
    created_at: str
    last_seen_at: str
    expires_at: str


class LoginAttempt(SQLModel, table=True):
    """Failed logins, counted so that guessing is slow. The login name is stored only as a hash."""

    __tablename__ = "login_attempt"

    login_sha256: str = Field(primary_key=True)
    failures: int = 0
    locked_until: str = ""
