"""What a rule is: which rows it speaks about, what would be wrong in the world, and how much of it is borne.

Category and context follow Kahn et al., eGEMs 2016;4(1):1244. Timeliness is a category of its own, as in
ISO/IEC 25012 ("currentness"): how late a fact arrives says nothing about whether it is complete or credible.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rwd_platform.core import columns as core
from rwd_platform.core.text import Bilingual

KAHN = {
    "conformance": Bilingual("符合性", "Conformance"),
    "completeness": Bilingual("完整性", "Completeness"),
    "plausibility": Bilingual("合理性", "Plausibility"),
}
CATEGORIES = {**KAHN, "timeliness": Bilingual("及时性", "Timeliness")}
CONTEXTS = ("verification", "validation")
# Great Expectations' own words: only a critical rule closes the gate.
SEVERITIES = {
    "critical": Bilingual("关键", "Critical"),
    "warning": Bilingual("警告", "Warning"),
    "info": Bilingual("提示", "Information"),
}

# What each kind of rule must say besides id, texts and tags. `where` may always be said.
KINDS: Mapping[str, frozenset[str]] = {
    "not_null": frozenset({"column"}),
    "unique": frozenset({"columns"}),
    "in_set": frozenset({"column", "values"}),
    "regex": frozenset({"column", "pattern"}),
    "date": frozenset({"column"}),
    "range": frozenset({"column", "min", "max"}),
    "age": frozenset({"column", "min", "max", "other"}),
    "reference": frozenset({"column", "other"}),
    "has_row": frozenset({"other"}),
    "not_before": frozenset({"column", "other"}),
    "not_after": frozenset({"column", "other"}),
    "not_after_if_any": frozenset({"column", "other"}),
    "at_least": frozenset({"column", "other"}),
    "at_most": frozenset({"column", "other"}),
    "other_in_set": frozenset({"column", "other", "values"}),
    "other_range": frozenset({"column", "other", "min", "max"}),
    "timely": frozenset({"column", "other", "given", "max"}),
    "follow_up": frozenset({"column", "start", "other"}),
    "drift_uploads": frozenset({"column", "limit", "min_rows"}),
    "drift_hospitals": frozenset({"column", "limit", "min_rows"}),
}
# Kinds that no row passes or fails by itself: they are judged on what the pass has counted.
DRIFT = frozenset({"drift_uploads", "drift_hospitals"})
MEASURES = DRIFT | {"follow_up"}
UNITS = {
    "rows": Bilingual("行", "rows"),
    "person_days": Bilingual("人日", "person-days"),
    "comparisons": Bilingual("次比较", "comparisons"),
}

SAME_PATIENT = (core.ORGANISATION_ID, core.PATIENT_ID)
LOINC_UNIT, UPLOAD, PERSON, DEATH = "loinc_unit", "upload", "person", "death"
# Tables that rules look things up in and that no hospital sends.
REFERENCE_TABLES: Mapping[str, Mapping[str, str]] = {
    LOINC_UNIT: {"code": "code", "unit_code": "code", "low": "decimal", "high": "decimal"},
    UPLOAD: {core.ORGANISATION_ID: "string", "upload_id": "string", "received_date": "date"},
    PERSON: {
        core.ORGANISATION_ID: "string",
        core.PATIENT_ID: "string",
        "hospitals": "integer",
        "patients_here": "integer",
    },
    DEATH: {core.ORGANISATION_ID: "string", core.PATIENT_ID: "string", "death_date": "date"},
}


@dataclass(frozen=True)
class Other:
    """A value elsewhere that a rule compares with: in the same row, or in the rows of a table with the same key.

    Of several such rows, `pick` takes the smallest or the largest value. The key is the patient of the
    hospital, unless the rule says otherwise.
    """

    table: str | None
    column: str
    where: tuple[tuple[str, str], ...] = ()
    pick: str = "min"
    key: tuple[str, ...] = SAME_PATIENT


@dataclass(frozen=True)
class Rule:
    """`mostly` is the share that must keep the rule; `limit` the largest drift that is borne.

    `given`: a `reference` speaks only about rows that have such another row; `timely` only about events
    since the other value. `reference` names where the rule comes from (quality/references.csv).
    """

    id: str
    table: str
    kind: str
    category: str
    context: str
    text: Bilingual
    mostly: float = 1.0
    holds_rows_back: bool = False
    severity: str = "critical"
    reference: str = ""
    column: str = ""
    columns: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    pattern: str = ""
    min: float = 0.0
    max: float = 0.0
    where: tuple[tuple[str, str], ...] = ()
    other: Other | None = None
    given: Other | None = None
    start: str = ""
    cuts: tuple[float, ...] = ()
    limit: float = 0.0
    min_rows: int = 0

    @property
    def kahn(self) -> str:
        """The category; the word that reports have used from the start."""
        return self.category

    @property
    def unit(self) -> str:
        """What its denominator counts (a key of UNITS)."""
        if self.kind in DRIFT:
            return "comparisons"
        return "person_days" if self.kind == "follow_up" else "rows"

    @property
    def others(self) -> tuple[Other, ...]:
        """What it looks up in other tables."""
        return tuple(one for one in (self.other, self.given) if one is not None and one.table is not None)


@dataclass(frozen=True)
class Suite:
    """The rules of one table. `columns` maps the columns that rules speak of to FHIR types."""

    table: str
    version: int
    sha256: str
    title: Bilingual
    required: bool
    columns: Mapping[str, str]
    rules: tuple[Rule, ...] = field(repr=False)


@dataclass(frozen=True)
class Reference:
    """Where a rule comes from: a check type of the OHDSI Data Quality Dashboard, a standard, a regulation."""

    key: str
    text: Bilingual
    source: str
