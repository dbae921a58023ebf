"""The scorecard of each hospital: for every Kahn category, the share of checks that its rows passed.

A check is one rule asked of one row. Numerator and denominator are shown beside every share, and a category
in which nothing could be asked is "not applicable".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from quality.engine import QualityReport, RuleResult
from quality.suite import KAHN
from rwd_platform.core.text import Bilingual

NOT_APPLICABLE = Bilingual("不适用", "not applicable")
ALL_CATEGORIES = Bilingual("全部", "All categories")


@dataclass(frozen=True)
class Score:
    """`passed` of `asked` checks; `rules_kept` of `rules_asked` rules kept their threshold."""

    category: str
    label: Bilingual
    passed: int
    asked: int
    rules_kept: int
    rules_asked: int

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
        _score(category, label, [result for result in results if report.rule(result.rule).kahn == category])
        for category, label in KAHN.items()
    ]
    return HospitalScores(organisation_id, (*scores, _score("all", ALL_CATEGORIES, results)))


def _score(category: str, label: Bilingual, results: list[RuleResult]) -> Score:
    asked = [result for result in results if result.applicable]
    return Score(
        category=category,
        label=label,
        passed=sum(result.applicable - result.failing for result in asked),
        asked=sum(result.applicable for result in asked),
        rules_kept=sum(result.outcome == "pass" for result in asked),
        rules_asked=len(asked),
    )
