"""What a HARPER document says that the protocol does not hold: hospitals, registration, amendments. It is passed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rwd_platform.core.text import Bilingual
from studies.protocol_amendments import Amendment, Seen


@dataclass(frozen=True)
class Amended:
    """A change of the protocol after a freeze, and what was known by then.

    stated    -- the authors' own words, of whether outcomes had been seen too
    data_seen -- that by the log of the platform; "unknown" where no study here was frozen with that text
    """

    stated: Amendment
    data_seen: Seen


@dataclass(frozen=True)
class Basis:
    """On which papers a hospital sent; "" where none is on record."""

    hospital: Bilingual
    agreement: str
    consent_version: str
    ethics_id: str


@dataclass(frozen=True)
class HarperFacts:
    """`statements` by the ids of the checklists' statements.yaml; what nobody stated is named so in the document."""

    platform: Bilingual
    basis: Sequence[Basis] = ()
    statements: Mapping[str, Bilingual] = field(default_factory=dict)
    frozen_before_first_lock: bool | None = None
    demo: bool = False
