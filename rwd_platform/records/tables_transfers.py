"""What leaves for another legal entity: the parties, the papers on file, each provision, and the persons counted."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Column, LargeBinary, Text
from sqlmodel import Field, SQLModel


class LegalParty(SQLModel, table=True):
    """What the law asks about a legal entity that gives or receives data. `id` is an organisation's or a circle's.

    country            -- ISO 3166-1 alpha-2; HK, MO and TW are abroad
    foreign_controlled, state_organ, restricted -- yes | no | unknown; restricted is PIPL 42's list
    checked_on         -- the day (Asia/Shanghai) on which these answers were checked
    group_name         -- whom it belongs to, for the alarm about split transfers; "" where it stands alone
    """

    __tablename__ = "legal_party"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(index=True)  # of whoever recorded it
    country: str
    foreign_controlled: str
    state_organ: str
    restricted: str
    checked_on: str
    contact: str
    group_name: str = ""
    recorded_by: str
    recorded_at: str


class InstrumentRecord(SQLModel, table=True):
    """A paper or a check on file (rwd_platform.compliance.instruments). Never edited: a new version replaces it.

    organisation_id -- the exporter, whose paper it is
    scope           -- lists by dimension; `persons` a number or null
    evidence_sha256 -- of the paper itself, which is kept by its owner; "" where there is none
    replaces        -- the id of the version before; that one is revoked by the same act
    """

    __tablename__ = "instrument"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(index=True)
    kind: str = Field(index=True)
    number: str
    version: int
    answer: str
    effective_from: str
    valid_until: str  # "" for no end
    filed_on: str
    revoked_on: str
    scope: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    evidence_sha256: str
    note: str = Field(sa_column=Column(Text, nullable=False))
    replaces: str
    recorded_by: str
    recorded_at: str


class Provision(SQLModel, table=True):
    """One provision of data by one exporter to one recipient: what was decided, and how far it has come.

    organisation_id -- the exporter
    source          -- `release`, or `remote_access`
    source_id       -- the release, or the grant of access
    state           -- rwd_platform.records.lifecycles.PROVISION
    year            -- calendar year in Asia/Shanghai that its persons count in; 0 while none are counted
    facts, decision -- as evaluated last, in the words of `rwd transfer decide`; the facts name no person
    papers          -- which instrument each fact rests on, and which fell short
    salt            -- hashed with the facts: they hold counts, and a hash of a few counts alone can be guessed
    """

    __tablename__ = "provision"

    id: str = Field(primary_key=True)
    organisation_id: str = Field(index=True)
    project_id: str
    package_id: str
    source: str
    source_id: str = Field(index=True)
    recipient_id: str = Field(index=True)
    purpose: str
    mode: str
    state: str
    verdict: str
    year: int
    facts: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    decision: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    papers: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    asked_by: str
    decided_at: str
    ended_at: str
    ended_why: str = Field(sa_column=Column(Text, nullable=False))
    salt: str = ""


class PersonPosting(SQLModel, table=True):
    """The persons of a provision that is reserved or posted: how many of each kind, and their keys, sealed.

    By how much they changed the exporter's counts of the year is counted from the sealed sets when it is asked
    (flows/provision_counts.py): what is cancelled or posted in another order changes it.
    """

    __tablename__ = "person_posting"

    provision_id: str = Field(primary_key=True, foreign_key="provision.id")
    organisation_id: str = Field(index=True)
    recipient_id: str
    year: int = Field(index=True)
    crosses_border: bool
    counted: bool  # whether the persons count towards the thresholds (exempt provisions do not)
    general: int
    sensitive: int
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    reserved_at: str
    posted_at: str
