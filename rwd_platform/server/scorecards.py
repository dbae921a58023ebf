"""A quality run as people read it: one card per hospital, a line per Kahn category, and the gate's verdicts.

A hospital sees its own card alone. What could not be asked is "not applicable" and never counts as passed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rwd_platform.access.permissions import Scope, can, scope_of
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.catalogue import is_sealed
from rwd_platform.records.records import Records
from rwd_platform.records.tables import Organisation, QualityRun
from rwd_platform.server.deps import Visitor

_ALL = "all"


@dataclass(frozen=True)
class Line:
    """One category of checks: `passed` of `asked` checks, and how many rules kept their threshold.

    `not_applicable` rules spoke about nothing and `errors` could not be asked: neither counts as passed.
    """

    category: str
    name: Bilingual
    passed: int
    asked: int
    text: Bilingual
    rules_kept: int
    rules_asked: int
    not_applicable: int = 0
    errors: int = 0


@dataclass(frozen=True)
class Hospital:
    """`total` is over all categories; `verdicts` are the gate's on this hospital's tables."""

    organisation_id: str
    name: Bilingual
    lines: tuple[Line, ...]
    total: Line
    verdicts: tuple[Table, ...]


@dataclass(frozen=True)
class Table:
    """The gate's verdict on one table of the lake, and the rows held back from locks one by one."""

    name: str
    verdict: str
    reasons: tuple[Bilingual, ...]
    held_back: int = 0
    warnings: tuple[Bilingual, ...] = ()


@dataclass(frozen=True)
class Scorecard:
    hospitals: tuple[Hospital, ...]
    tables: tuple[Table, ...]


def read(records: Records, run: QualityRun, visitor: Visitor) -> Scorecard:
    """The cards that this visitor may see; the tables of all hospitals together, for those who may see all."""
    gate, held = run.report["gate"], run.report.get("held_back", {})
    cards = [_hospital(records, card, gate) for card in _cards(run.report, visitor)]
    sees_all = scope_of(visitor.actor, "quality.read") is Scope.ANY
    tables = [_table(one, held.get(one["table"], {}).get("rows", 0)) for one in gate["tables"]]
    return Scorecard(tuple(cards), tuple(tables) if sees_all else ())


def for_visitor(run: QualityRun, visitor: Visitor) -> QualityRun:
    """The run for the API: whole for those who see every hospital, else one's own card and verdicts."""
    if scope_of(visitor.actor, "quality.read") is Scope.ANY:
        return _without_outcomes(run, visitor.actor.role)
    own = visitor.actor.organisation
    verdicts = [one for one in run.report["gate"]["hospitals"] if one["organisation_id"] == own]
    report = {"scorecard": {"hospitals": _cards(run.report, visitor)}, "gate": {"hospitals": verdicts}}
    return QualityRun(**{**run.model_dump(), "report": report})


def _without_outcomes(run: QualityRun, role: str) -> QualityRun:
    """The run without the counts of tables whose numbers are kept from a role; verdicts and rules stay."""
    checks, uploads = run.report.get("checks", {}), run.report.get("uploads", {})
    hidden = dict.fromkeys(("rows", "applicable", "failing"))
    results = [
        {**one, **hidden} if is_sealed(role, one["table"]) else one for one in checks.get("results", ())
    ]
    shown = {
        "counts": [one for one in uploads.get("counts", ()) if not is_sealed(role, one["table"])],
        "distributions": [
            one
            for one in uploads.get("distributions", ())
            if not is_sealed(role, one["rule"].partition(".")[0])
        ],
    }
    report = {**run.report, "checks": {**checks, "results": results}, "uploads": {**uploads, **shown}}
    return QualityRun(**{**run.model_dump(), "report": report})


def _cards(report: Mapping[str, Any], visitor: Visitor) -> list[Mapping[str, Any]]:
    """One per hospital; the card of all together (without an organisation) is not one."""
    cards = report["scorecard"]["hospitals"]
    return [
        one
        for one in cards
        if one["organisation_id"] and can(visitor.actor, "quality.read", one["organisation_id"])
    ]


def _hospital(records: Records, card: Mapping[str, Any], gate: Mapping[str, Any]) -> Hospital:
    id = card["organisation_id"]
    organisation = records.find(Organisation, id)
    lines = [_line(score) for score in card["scores"]]
    return Hospital(
        organisation_id=id,
        name=Bilingual(organisation.name_zh, organisation.name_en) if organisation else Bilingual(id, id),
        lines=tuple(line for line in lines if line.category != _ALL),
        total=next(line for line in lines if line.category == _ALL),
        verdicts=tuple(_table(one) for one in gate["hospitals"] if one["organisation_id"] == id),
    )


def _line(score: Mapping[str, Any]) -> Line:
    return Line(
        category=score["category"],
        name=Bilingual(**score["label"]),
        passed=score["numerator"],
        asked=score["denominator"],
        text=Bilingual(**score["text"]),
        rules_kept=score["rules_kept"],
        rules_asked=score["rules_asked"],
        not_applicable=score.get("rules_not_applicable", 0),
        errors=score.get("rules_error", 0),
    )


def _table(verdict: Mapping[str, Any], held_back: int = 0) -> Table:
    reasons = tuple(Bilingual(reason["zh"], reason["en"]) for reason in verdict["reasons"])
    warnings = tuple(Bilingual(one["zh"], one["en"]) for one in verdict.get("warnings", ()))
    return Table(verdict["table"], verdict["verdict"], reasons, held_back, warnings)
