"""What a stored quality run says about one rule and one hospital, read from its report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlmodel import col, select

from rwd_platform.core.text import Bilingual
from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import QualityRun

# What a rule's place says where no count exists. The others are the engine's own words.
GONE = "gone"  # the run does not ask this rule any more
NOT_RUN = "not_run"  # the rule is asked, and the run holds nothing about this hospital


@dataclass(frozen=True)
class Finding:
    """One rule in one hospital's rows. `failing` of `applicable` rows broke it; `rows` were looked at."""

    table: str
    rule: str
    organisation_id: str
    status: str  # pass | pass_with_rows | fail | not_applicable | error, or GONE, or NOT_RUN
    rows: int = 0
    applicable: int = 0
    failing: int = 0

    @property
    def is_finding(self) -> bool:
        """Whether there is something to ask about: a failing rule, or rows that break one that holds."""
        return self.status == "fail" or (self.failing > 0 and self.status != "error")


@dataclass(frozen=True)
class RuleFacts:
    """What the report keeps of a rule: enough to read its result without the suite of that day."""

    id: str
    table: str
    category: str
    mostly: float
    text: Bilingual
    severity: str = ""  # critical | warning | info; "" in reports of before there were any
    unit: str = "rows"  # rows | person_days | comparisons


class Findings:
    """The findings of one run by rule and hospital."""

    def __init__(self, run: QualityRun) -> None:
        self.run = run
        checks: Mapping[str, Any] = run.report.get("checks") or {}
        self._results: list[Mapping[str, Any]] = list(checks.get("results", ()))
        self.rules: dict[str, RuleFacts] = {
            one["id"]: RuleFacts(
                id=one["id"],
                table=one["table"],
                category=one["kahn"],
                mostly=float(one["mostly"]),
                text=Bilingual(one["zh"], one["en"]),
                severity=one.get("severity", ""),
                unit=one.get("unit", "rows"),
            )
            for one in checks.get("rules", ())
        }

    @cached_property
    def _by_place(self) -> dict[tuple[str, str], Finding]:
        return {(one.rule, one.organisation_id): one for one in self.all()}

    def all(self) -> Iterator[Finding]:
        """Every hospital's own results; those of all hospitals together are left out."""
        for one in self._results:
            if one["organisation_id"]:
                yield Finding(
                    table=one["table"],
                    rule=one["rule"],
                    organisation_id=one["organisation_id"],
                    status=_status_in(one),
                    rows=int(one["rows"]),
                    applicable=int(one["applicable"]),
                    failing=int(one["failing"]),
                )

    def of(self, rule: str, organisation_id: str) -> Finding:
        """The result, or one that says why there is none."""
        found = self._by_place.get((rule, organisation_id))
        if found is not None:
            return found
        facts = self.rules.get(rule)
        return Finding(facts.table if facts else "", rule, organisation_id, NOT_RUN if facts else GONE)


def _status_in(result: Mapping[str, Any]) -> str:
    """Older reports had fewer words: a pass with rows was a pass."""
    status = result.get("status")
    if status is None:
        status = result["outcome"]
        if status == "pass" and result["failing"]:
            status = "pass_with_rows"
    return str(status)


def newest_findings(platform: Platform) -> Findings | None:
    """Of the newest quality run; None where quality was never checked."""
    runs = platform.records.all(select(QualityRun).order_by(col(QualityRun.made_at).desc()).limit(1))
    return Findings(runs[0]) if runs else None
