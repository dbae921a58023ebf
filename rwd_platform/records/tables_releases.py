"""What leaves: who may hold results, releases with their votes, and the ledger of what each holder has."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Column, LargeBinary, Text
from sqlmodel import Field, SQLModel


class OutputRelease(SQLModel, table=True):
    """Results on their way to a recipient, the gate's verdict on them, and how far they have come."""

    __tablename__ = "output_release"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(index=True)
    project_id: str
    package_id: str = Field(index=True)
    product: str  # the licensed product that the results are about
    recipient_kind: str  # public | insurer | sponsor | researcher | competent_authority
    circle: str  # who will be able to put results side by side: a registered circle, or "public"
    content_sha256: str
    conditions: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    verdict: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    state: str  # rwd_platform.records.lifecycles.RELEASE
    requested_by: str
    requested_at: str
    decided_at: str = ""


class ReleaseVote(SQLModel, table=True):
    """One reviewer's word on a release. A person votes once.

    word       -- approve | return | refuse; "" in a vote from before there were three, where `approved` says it
    objections -- by file of the package, what is wrong with it; every other file was found in order
    """

    __tablename__ = "release_vote"

    release_id: str = Field(primary_key=True, foreign_key="output_release.id")
    approver_id: str = Field(primary_key=True)
    organisation_id: str
    approved: bool
    word: str = Field(default="", sa_column_kwargs={"server_default": ""})
    objections: dict[str, str] = Field(
        default_factory=dict, sa_column=Column(JSON, nullable=False, server_default="{}")
    )
    reason: str = Field(sa_column=Column(Text, nullable=False))
    voted_at: str


class ReleaseLink(SQLModel, table=True):
    """A link that a recipient downloads by. The token itself is stored only as a hash, and runs out."""

    __tablename__ = "release_link"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(index=True)
    release_id: str = Field(foreign_key="output_release.id", index=True)
    token_sha256: str = Field(unique=True)
    made_for: str
    made_by: str
    made_at: str
    expires_at: str
    most_downloads: int
    downloads: int
    ended_at: str


class ReleasedFigures(SQLModel, table=True):
    """The ledger: what a circle already holds about a product, so that differences can be looked for."""

    __tablename__ = "released_figures"

    release_id: str = Field(primary_key=True, foreign_key="output_release.id")
    organisation_id: str
    product: str = Field(index=True)
    circle: str = Field(index=True)
    figures: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    sealed_sets: bytes = Field(sa_column=Column(LargeBinary, nullable=False))  # who stood behind them
    released_at: str


class ReleaseCircle(SQLModel, table=True):
    """Somebody who may be given results, registered once: under which names, and which legal entity it is.

    Organisations on record are circles of their own and stand in `organisation`.
    """

    __tablename__ = "release_circle"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(index=True)  # of whoever registered it
    kind: str  # insurer | sponsor | researcher
    name_zh: str
    name_en: str
    legal_name: str
    credit_code: str = ""  # GB 32100; none for an entity abroad, or a person
    registered_by: str
    registered_at: str
