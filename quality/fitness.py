"""Fitness for use: a protocol's needs against what is known of the data, item by item, with the figures.

A status is met, partly, not met, or not known. What nobody counted is not known, never met: a rule that spoke about
no row, a table that was not checked, outcomes that are sealed. There is no total, because a study with all but its
outcome is not nearly fit. What a person must judge stays open until somebody answers it under their name.

Kinds of item are data (fitness.toml); this module knows how each is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from quality.fitness_items import DATASAT, DIMENSIONS, Catalogue, Item
from rwd_platform.core.text import Bilingual

FORMAT_VERSION = 1
Status = Literal["met", "partly", "not_met", "not_known"]
STATUSES: tuple[Status, ...] = ("met", "partly", "not_met", "not_known")
JUDGEMENTS: tuple[Status, ...] = ("met", "partly", "not_met")
"""What a person may answer: whoever does not know leaves the item open."""

_SPOKEN = frozenset({"pass", "pass_with_rows", "fail"})  # a rule that was asked of at least one row


@dataclass(frozen=True)
class Coverage:
    """How much of one need was found: rows, the patients they are of, and at how many hospitals.

    `rounded_to`: before the protocol is frozen counts are rounded up to a multiple of it; 1: they are exact.
    """

    rows: int
    patients: int
    hospitals: int
    rounded_to: int = 1


@dataclass(frozen=True)
class Need:
    """One thing that the protocol reads. `coverage` None: it was not counted, and `unknown` says why."""

    role: str
    title: Bilingual
    table: str
    coverage: Coverage | None
    unknown: Bilingual | None = None


@dataclass(frozen=True)
class Requirements:
    """What the protocol asks of the data. `frozen_at` is "" before the freeze.

    `other_tables` are read too, and need not hold anything: an exclusion criterion looks for what should not be there.
    """

    study: str
    protocol_sha256: str
    frozen_at: str
    needs: tuple[Need, ...]
    other_tables: tuple[str, ...] = ()

    @property
    def tables(self) -> tuple[str, ...]:
        """Every table in use."""
        return tuple(sorted({*self.other_tables, *(need.table for need in self.needs)}))


@dataclass(frozen=True)
class FollowUp:
    """Of so many patients, how many have a last contact; days from first to last record, at the median."""

    patients: int
    with_last_contact: int
    median_days: float | None


@dataclass(frozen=True)
class Provenance:
    """Where the data came from and under what, over the admitted uploads.

    rows, traceable -- of the tables in use, and those with file, line and digest; None: the lake was not read
    asked, settled  -- failing rules that were put to a hospital, and questions of them that are closed
    privacy         -- the newest risk report's verdict on the lock or the lake; "" where none was made
    """

    hospitals: int = 0
    patients: int | None = None
    uploads: int = 0
    uploads_with_terms: int = 0
    received: int = 0
    accepted: int = 0
    rejected: int = 0
    quarantined: int = 0
    duplicate: int = 0
    unreadable_files: int = 0
    rows: int | None = None
    traceable: int | None = None
    open_questions: frozenset[tuple[str, str]] = frozenset()
    closed_questions: frozenset[tuple[str, str]] = frozenset()
    privacy: str = ""


@dataclass(frozen=True)
class Figure:
    """A number that an item rests on; `of` is its denominator, None where it has none."""

    text: Bilingual
    value: int | float | str
    of: int | None = None

    def as_dict(self) -> dict[str, Any]:
        return {"zh": self.text.zh, "en": self.text.en, "value": self.value, "of": self.of}


@dataclass(frozen=True)
class Measured:
    """A status with its reason and the figures it rests on."""

    status: Status
    reason: Bilingual
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """All that an assessment looks at. `report` is a stored quality run's report; None: never checked."""

    requirements: Requirements
    report: Mapping[str, Any] | None
    follow_up: FollowUp | None
    provenance: Provenance


@dataclass(frozen=True)
class Assessment:
    """Every item of the catalogue with what was measured, in the catalogue's order."""

    evidence: Evidence = field(repr=False)
    catalogue_sha256: str
    items: tuple[tuple[Item, Measured], ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON values, fit to stand in a lock's facts or a package. Judged by nobody yet: see `with_answers`."""
        return with_answers(
            {
                "format_version": FORMAT_VERSION,
                "study": self.evidence.requirements.study,
                "protocol_sha256": self.evidence.requirements.protocol_sha256,
                "items_sha256": self.catalogue_sha256,
                "items": [_as_dict(item, measured) for item, measured in self.items],
            },
            (),
        )


@dataclass(frozen=True)
class Answer:
    """A person's judgement on one item; the newest counts."""

    item: str
    status: str
    text: str
    answered_by: str
    answered_at: str


def assess(evidence: Evidence, catalogue: Catalogue) -> Assessment:
    """Measure every item. Pure: the same evidence gives the same assessment."""
    from quality.fitness_measures import MEASURES

    measures: Mapping[str, Callable[[Item, Evidence], Measured]] = MEASURES
    items = tuple((item, measures[item.measure](item, evidence)) for item in catalogue.items)
    return Assessment(evidence, catalogue.sha256, items)


def with_answers(assessment: Mapping[str, Any], answers: Sequence[Answer]) -> dict[str, Any]:
    """A stored assessment with people's judgements in it, and the counts by dimension and status.

    An answer to an item that figures decide, or that is not there, changes nothing. Nothing is taken away: a
    person's status stands beside what was measured.
    """
    newest = {one.item: one for one in sorted(answers, key=lambda one: one.answered_at)}
    items = [_answered(item, newest.get(item["id"])) for item in assessment["items"]]
    counts = {
        dimension: {
            status: sum(item["dimension"] == dimension and item["status"] == status for item in items)
            for status in STATUSES
        }
        for dimension in DIMENSIONS
    }
    return {**assessment, "items": items, "counts": counts}


def _answered(item: Mapping[str, Any], answer: Answer | None) -> dict[str, Any]:
    if answer is None or item["by"] is None or answer.status not in JUDGEMENTS:
        return {**item, "answer": None}
    given = {
        "status": answer.status,
        "text": answer.text,
        "answered_by": answer.answered_by,
        "answered_at": answer.answered_at,
    }
    return {**item, "status": answer.status, "answer": given}


def _as_dict(item: Item, measured: Measured) -> dict[str, Any]:
    return {
        "id": item.id,
        "dimension": item.dimension,
        "datasat": {"id": item.datasat, **DATASAT[item.datasat]._asdict()},
        "text": item.text._asdict(),
        "sources": [source._asdict() for source in item.sources],
        "by": item.by._asdict() if item.by else None,
        "status": measured.status,
        "reason": measured.reason._asdict(),
        "figures": [figure.as_dict() for figure in measured.figures],
    }


def rule_results(evidence: Evidence, categories: Sequence[str] = ()) -> list[Mapping[str, Any]]:
    """Each hospital's results of the rules on the tables in use: of these categories, or of all."""
    checks: Mapping[str, Any] = (evidence.report or {}).get("checks") or {}
    # Reports made before timeliness was a category of its own name it `kahn`.
    of_rule = {one["id"]: one.get("category") or one.get("kahn") for one in checks.get("rules", ())}
    return [
        one
        for one in checks.get("results", ())
        if one["organisation_id"]
        and one["table"] in evidence.requirements.tables
        and (not categories or of_rule.get(one["rule"]) in categories)
    ]


def status_in(result: Mapping[str, Any]) -> str:
    """The status of a stored result. Older reports had fewer words: a pass with rows was a pass."""
    status = result.get("status")
    if status is None:
        status = result["outcome"]
        if status == "pass" and result["failing"]:
            status = "pass_with_rows"
    return str(status)


def was_asked(result: Mapping[str, Any]) -> bool:
    return status_in(result) in _SPOKEN
