"""What is on file and for how long: contracts, assessments, certificates, approvals, consents, checks.

Each kind of instrument is described in instruments.toml; a record of one is an `Instrument`. Which of them serve a
transfer on its day is asked of `standing` (rwd_platform.compliance.standing), and nowhere else.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from rwd_platform.core.text import Bilingual

ANY = "*"  # in a scope: whatever it is; written down on purpose, never the meaning of silence
DIMENSIONS = ("purposes", "fields", "recipients", "projects", "sites", "scenarios", "persons")

_KINDS = Path(__file__).with_name("instruments.toml")


@dataclass(frozen=True)
class Scope:
    """What an instrument was made for. An empty set covers nothing; `*` in it covers everything of the dimension.

    purposes   -- codes of compliance/purposes.toml
    fields     -- classes of data (deidentify/classification), as the filing names them
    recipients -- ids of recipients on record
    projects   -- project ids
    sites      -- organisation ids of hospitals, for approvals that another site recognises
    scenarios  -- ids of scenarios of a free-trade zone's list; `*` names none of them and covers nothing
    persons    -- the most persons a calendar year that it was filed for; None where the kind states no scale
    """

    purposes: frozenset[str] = frozenset()
    fields: frozenset[str] = frozenset()
    recipients: frozenset[str] = frozenset()
    projects: frozenset[str] = frozenset()
    sites: frozenset[str] = frozenset()
    scenarios: frozenset[str] = frozenset()
    persons: int | None = None


@dataclass(frozen=True)
class Instrument:
    """One paper on file, as recorded. Days are Asia/Shanghai; `valid_until` and `effective_from` are both inclusive.

    exporter   -- organisation id of the legal entity whose instrument it is
    answer     -- of a check: what was found (`yes`, `no`, ...); "" of a paper
    filed_on   -- of what must be filed after it took effect: the day the filing was accepted; None before
    revoked_on -- from this day on it serves nothing
    evidence_sha256 -- of the paper itself; "" where none was put on record
    """

    id: str
    kind: str
    exporter: str
    number: str
    effective_from: date
    valid_until: date | None
    scope: Scope
    answer: str = ""
    filed_on: date | None = None
    revoked_on: date | None = None
    evidence_sha256: str = ""

    def is_in_force(self, on: date) -> bool:
        """Whether it serves on the day: begun, not over, not revoked, and filed where it counts only once filed."""
        begun = self.effective_from <= on and (self.valid_until is None or on <= self.valid_until)
        revoked = self.revoked_on is not None and self.revoked_on <= on
        filed = not kind_of(self.kind).counts_once_filed or (
            self.filed_on is not None and self.filed_on <= on
        )
        return begun and not revoked and filed


@dataclass(frozen=True)
class Kind:
    """A kind of instrument, as instruments.toml describes it.

    scope             -- the dimensions that must be written down, and that a transfer is held against
    needs_end         -- a day of expiry must be written down: the law gives it one
    answers           -- of a check: the answers it may have; empty for a paper
    counts_once_filed -- it serves only when `filed_on` is there (standard contract: filing)
    file_within       -- working days after it took effect within which it must be filed; None where nothing is filed
    renew_before      -- working days before its end by which an extension must be asked for; None where there is none
    report_after      -- months after its end within which a report is due (international cooperation); None if none
    needs_evidence    -- the paper's own SHA-256 must be on record: it takes a transfer out of the rules' usual path
    officers_only     -- for the same reason privacy officers alone record it, never the exporter that it serves
    """

    id: str
    name: Bilingual
    source: Bilingual
    scope: tuple[str, ...]
    needs_end: bool = False
    answers: tuple[str, ...] = ()
    counts_once_filed: bool = False
    file_within: int | None = None
    renew_before: int | None = None
    report_after: int | None = None
    months_valid: int | None = None
    needs_evidence: bool = False
    officers_only: bool = False
    words: Mapping[str, Bilingual] = field(default_factory=dict)

    @property
    def is_filed(self) -> bool:
        """Whether a day of filing can be put on record: of a contract its filing, of a cooperation its report."""
        return self.file_within is not None or self.report_after is not None


@lru_cache(maxsize=1)
def kinds() -> Mapping[str, Kind]:
    """Every kind by its id, in the order of the file."""
    content = tomllib.loads(_KINDS.read_text("utf-8"))
    return {one["id"]: _kind(one) for one in content["kinds"]}


def kind_of(id: str) -> Kind:
    return kinds()[id]


def _kind(one: Mapping[str, Any]) -> Kind:
    return Kind(
        id=one["id"],
        name=Bilingual(**one["name"]),
        source=Bilingual(**one["source"]),
        scope=tuple(one.get("scope", ())),
        needs_end=one.get("needs_end", False),
        answers=tuple(one.get("answers", {})),
        counts_once_filed=one.get("counts_once_filed", False),
        file_within=one.get("file_within"),
        renew_before=one.get("renew_before"),
        report_after=one.get("report_after"),
        months_valid=one.get("months_valid"),
        needs_evidence=one.get("needs_evidence", False),
        officers_only=one.get("officers_only", False),
        words={answer: Bilingual(**words) for answer, words in one.get("answers", {}).items()},
    )
