"""What a HARPER document says that the protocol does not hold: hospitals, registration, amendments. It is passed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rwd_platform.core.text import Bilingual

DataSeen = Literal["no", "yes", "unknown"]


@dataclass(frozen=True)
class Amendment:
    """A change of the protocol after a freeze.

    changes   -- SHA-256 of the frozen text that it changes
    dated     -- YYYY-MM-DD
    stated    -- whether outcomes had been seen by then, by the authors' own word
    data_seen -- the same by the log of the platform; "unknown" where no study here was frozen with that text
    """

    number: str
    changes: str
    dated: str
    section: Bilingual
    change: Bilingual
    reason: Bilingual
    stated: DataSeen
    data_seen: DataSeen


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
