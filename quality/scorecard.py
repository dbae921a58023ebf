"""The scorecard of each hospital: for every category, the share of checks that its rows passed; and over time.

A check is one rule asked of one row. Numerator and denominator are shown beside every share, with the rules
that were not asked; a category in which nothing could be asked is "not applicable".
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from quality.report import QualityReport, RuleResult, read_report
from quality.rules import CATEGORIES
from rwd_platform.core.text import Bilingual

NOT_APPLICABLE = Bilingual("不适用", "not applicable")
ALL_CATEGORIES = Bilingual("全部", "All categories")


@dataclass(frozen=True)
class Score:
    """`passed` of `asked` checks of rows; `rules_kept` of `rules_asked` rules kept their threshold.

    Not among the asked: rules that spoke about nothing (`not_applicable`), and rules that raised (`errors`).
    """

    category: str
    label: Bilingual
    passed: int
    asked: int
    rules_kept: int
    rules_asked: int
    not_applicable: int = 0
    errors: int = 0

    @property
    def share(self) -> float | None:
        """0 to 1, or None when nothing was asked."""
        return self.passed / self.asked if self.asked else None

    @property
    def text(self) -> Bilingual:
        """As a page shows it. Never rounded up to 100 % while a check failed."""
        if self.share is None:
            return NOT_APPLICABLE
        per_10000 = self.passed * 10_000 // self.asked
        shown = f"{per_10000 // 100}.{per_10000 % 100:02d}%"
        return Bilingual(shown, shown)

    @property
    def rules_text(self) -> Bilingual:
        """How many rules kept their threshold, and how many said nothing: the second is never left out."""
        return Bilingual(
            f"{self.rules_asked} 条规则中 {self.rules_kept} 条达标；另有 {self.not_applicable} 条不适用，"
            f"{self.errors} 条未能检查",
            f"{self.rules_kept} of {self.rules_asked} rules kept; {self.not_applicable} more not applicable, "
            f"{self.errors} could not be asked",
        )

    def as_dict(self) -> dict[str, Any]:
        return {
            "category": self.category,
            "label": {"zh": self.label.zh, "en": self.label.en},
            "numerator": self.passed,
            "denominator": self.asked,
            "share": self.share,
            "text": {"zh": self.text.zh, "en": self.text.en},
            "rules_kept": self.rules_kept,
            "rules_asked": self.rules_asked,
            "rules_not_applicable": self.not_applicable,
            "rules_error": self.errors,
            "rules_text": {"zh": self.rules_text.zh, "en": self.rules_text.en},
        }


@dataclass(frozen=True)
class HospitalScores:
    """One hospital's scores, or those of all together (`organisation_id` None). The last is over all."""

    organisation_id: str | None
    scores: tuple[Score, ...]


@dataclass(frozen=True)
class Scorecard:
    hospitals: tuple[HospitalScores, ...]

    def of(self, organisation_id: str | None) -> HospitalScores:
        return next(hospital for hospital in self.hospitals if hospital.organisation_id == organisation_id)

    def as_dict(self) -> dict[str, Any]:
        return {
            "hospitals": [
                {
                    "organisation_id": hospital.organisation_id,
                    "scores": [score.as_dict() for score in hospital.scores],
                }
                for hospital in self.hospitals
            ]
        }


def score(report: QualityReport) -> Scorecard:
    """All hospitals together first, then each by name."""
    return Scorecard(tuple(_hospital(report, scope) for scope in (None, *report.organisations)))


def _hospital(report: QualityReport, organisation_id: str | None) -> HospitalScores:
    results = [result for result in report.results if result.organisation_id == organisation_id]
    scores = [
        _score(
            report,
            category,
            label,
            [result for result in results if report.rule(result.rule).category == category],
        )
        for category, label in CATEGORIES.items()
    ]
    return HospitalScores(organisation_id, (*scores, _score(report, "all", ALL_CATEGORIES, results)))


def _score(report: QualityReport, category: str, label: Bilingual, results: list[RuleResult]) -> Score:
    asked = [result for result in results if result.status not in ("not_applicable", "error")]
    # Person-days and comparisons are no rows: they count as rules alone.
    rows = [result for result in asked if report.rule(result.rule).unit == "rows"]
    return Score(
        category=category,
        label=label,
        passed=sum(result.applicable - result.failing for result in rows),
        asked=sum(result.applicable for result in rows),
        rules_kept=sum(result.status != "fail" for result in asked),
        rules_asked=len(asked),
        not_applicable=sum(result.status == "not_applicable" for result in results),
        errors=sum(result.status == "error" for result in results),
    )


@dataclass(frozen=True)
class Point:
    """One rule in one hospital (or in all) at one run: what was asked, what failed, and the status then."""

    run_id: str
    made_at: str
    applicable: int
    failing: int
    status: str

    @property
    def share(self) -> float | None:
        return (self.applicable - self.failing) / self.applicable if self.applicable else None

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "share": self.share}


@dataclass(frozen=True)
class Series:
    """A rule's points in one hospital, oldest first. A run that did not know the rule has no point."""

    rule: str
    organisation_id: str | None
    points: tuple[Point, ...]

    def as_dict(self) -> dict[str, Any]:
        points = [point.as_dict() for point in self.points]
        return {"rule": self.rule, "organisation_id": self.organisation_id, "points": points}


def series(
    runs: Iterable[tuple[str, str, Mapping[str, Any]]], rules: Container[str] | None = None
) -> tuple[Series, ...]:
    """Scorecards over time, from stored runs as (id, made_at, report) in any order; all rules, or those named."""
    found: dict[tuple[str, str | None], list[Point]] = {}
    for run_id, made_at, stored in sorted(runs, key=lambda run: (run[1], run[0])):
        if not stored.get("checks"):
            continue
        for result in read_report(stored).results:
            if rules is None or result.rule in rules:
                counts = result.applicable, result.failing, result.status
                point = Point(run_id, made_at, *counts)
                found.setdefault((result.rule, result.organisation_id), []).append(point)
    ordered = sorted(found, key=lambda key: (key[0], key[1] or ""))
    return tuple(Series(*key, tuple(found[key])) for key in ordered)
