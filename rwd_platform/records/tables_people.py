"""Who works here: organisations, accounts and logins, the systems that send for them, and who may see one study."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Column, LargeBinary, Text
from sqlmodel import Field, SQLModel


class Organisation(SQLModel, table=True):
    """A hospital, the platform's operator, a sponsor or an authority."""

    __tablename__ = "organisation"

    id: str = Field(primary_key=True)
    kind: str  # the kinds of rwd_platform/access/policy.toml
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
    # The last day in Asia/Shanghai on which it can be used, as a date; "" for no end.
    valid_until: str = Field(default="", sa_column_kwargs={"server_default": ""})


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


class HalfLogin(SQLModel, table=True):
    """The first step was right, the code is awaited: good for that one step and nothing else."""

    __tablename__ = "half_login"

    token_sha256: str = Field(primary_key=True)
    user_id: str = Field(foreign_key="user_account.id", index=True)
    organisation_id: str
    created_at: str
    expires_at: str
    # What the first step was: `password`, or `oidc` (rwd_platform/flows/oidc_login.py).
    first_step: str = Field(default="password", sa_column_kwargs={"server_default": "password"})


class LoginAttempt(SQLModel, table=True):
    """Failed logins, counted so that guessing is slow. The login name is stored only as a hash."""

    __tablename__ = "login_attempt"

    login_sha256: str = Field(primary_key=True)
    failures: int = 0
    locked_until: str = ""


class SecondFactor(SQLModel, table=True):
    """A person's TOTP secret (RFC 6238), sealed, and the last time step whose code was spent."""

    __tablename__ = "second_factor"

    user_id: str = Field(primary_key=True, foreign_key="user_account.id")
    organisation_id: str
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    begun_at: str
    confirmed_at: str = ""  # "" until a first code was right: it guards nothing yet
    last_step: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))


class RecoveryCode(SQLModel, table=True):
    """A way in for somebody who lost the device. Stored only as a hash, good once."""

    __tablename__ = "recovery_code"

    code_sha256: str = Field(primary_key=True)
    user_id: str = Field(foreign_key="user_account.id", index=True)
    organisation_id: str
    made_at: str
    used_at: str = ""


class MachineClient(SQLModel, table=True):
    """A hospital's own system, known by its public keys."""

    __tablename__ = "machine_client"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(foreign_key="organisation.id", index=True)
    name: str
    jwks: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))  # public keys alone
    registered_by: str
    registered_at: str
    revoked_at: str = ""


class ClientAssertion(SQLModel, table=True):
    """An assertion that was spent, kept until it would have run out anyway."""

    __tablename__ = "client_assertion"

    client_id: str = Field(primary_key=True, foreign_key="machine_client.id")
    jti_sha256: str = Field(primary_key=True)
    organisation_id: str
    expires_at: str


class ClientToken(SQLModel, table=True):
    """What a system works with for a quarter of an hour. Stored only as a hash."""

    __tablename__ = "client_token"

    token_sha256: str = Field(primary_key=True)
    client_id: str = Field(foreign_key="machine_client.id", index=True)
    organisation_id: str
    scope: str  # actions of rwd_platform.access.permissions, parted by blanks
    issued_at: str
    expires_at: str


class ProjectGrant(SQLModel, table=True):
    """A member of a study. With the first of them the study is closed to everybody else of its organisation."""

    __tablename__ = "project_grant"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(index=True)
    project_id: str = Field(index=True)
    user_id: str = Field(foreign_key="user_account.id", index=True)
    since: str  # first and last day in Asia/Shanghai, both inclusive; `until` "" has no end
    until: str
    reason: str = Field(sa_column=Column(Text, nullable=False))
    granted_by: str
    granted_at: str
    revoked_by: str = ""
    revoked_at: str = ""


class Inspection(SQLModel, table=True):
    """An inspector's read access to one project, for some days."""

    __tablename__ = "inspection"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(index=True)  # whose project it is
    project_id: str = Field(index=True)
    user_id: str = Field(foreign_key="user_account.id", index=True)
    since: str  # first and last day in Asia/Shanghai, both inclusive
    until: str
    document: str  # number of the paper that orders it
    reason: str = Field(sa_column=Column(Text, nullable=False))
    granted_by: str
    granted_at: str
    ended_by: str = ""
    ended_at: str = ""
