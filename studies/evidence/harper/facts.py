"""What a HARPER document says that the protocol does not hold: hospitals, registration, amendments. It is passed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rwd_platform.core.text import Bilingual

DataSeen = Literal["no", "yes", "unknown"]


@dataclass(frozen=True)
class Amendment:
    """A change of the protocol after its first version.

    dated     -- YYYY-MM-DD
    data_seen -- whether anybody who decided on it had seen outcomes of this study: a fact of the log, or "unknown"
    """

    number: str
    dated: str
    section: Bilingual
    change: Bilingual
    reason: Bilingual
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
