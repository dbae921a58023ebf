"""The gate: which tables may be used, and which rows are held back from data locks.

Two different answers. A table in which too many rows break a rule is quarantined as a whole, because what
went wrong is in how it was made. A single row that cannot be true (999 positive lymph nodes) is held back by
itself, and the table stays in use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from quality.checks import KEYS, Judged, judged_tables
from quality.engine import QualityReport, RuleResult
from quality.suite import Suite
from rwd_platform.core import columns as core
from rwd_platform.core.text import Bilingual

Verdict = Literal["admit", "quarantine", "not_applicable"]
RULE = "rule"
HELD = (*KEYS, RULE)
"""The columns of a frame of rows that are held back: whose row, and which rule it breaks."""


@dataclass(frozen=True)
class Reason:
    """Why a table was not admitted. `rule` is empty when the table holds no row at all."""

    rule: str
    text: Bilingual


@dataclass(frozen=True)
class TableVerdict:
    """`not_applicable`: the table holds no row, so nothing was admitted and nothing was wrong."""

    table: str
    organisation_id: str | None
    verdict: Verdict
    reasons: tuple[Reason, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "table": self.table,
            "organisation_id": self.organisation_id,
            "verdict": self.verdict,
            "reasons": [
                {"rule": reason.rule, "zh": reason.text.zh, "en": reason.text.en} for reason in self.reasons
            ],
        }


@dataclass(frozen=True)
class Gate:
    """The verdicts on every table: of all hospitals together (`tables`), and of each hospital."""

    tables: tuple[TableVerdict, ...]
    hospitals: tuple[TableVerdict, ...]

    @property
    def verdict(self) -> Verdict:
        """Of the whole: quarantined if any table is; `not_applicable` if there was nothing at all."""
        verdicts = {table.verdict for table in self.tables}
        if "quarantine" in verdicts:
            return "quarantine"
        return "admit" if "admit" in verdicts else "not_applicable"

    def as_dict(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict,
            "tables": [verdict.as_dict() for verdict in self.tables],
            "hospitals": [verdict.as_dict() for verdict in self.hospitals],
        }


def decide(report: QualityReport) -> Gate:
    """The gate's verdicts on a quality report."""
    return Gate(
        tables=tuple(_decide(report, suite, None) for suite in report.suites),
        hospitals=tuple(
            _decide(report, suite, organisation)
            for organisation in report.organisations
            for suite in report.suites
        ),
    )


def _decide(report: QualityReport, suite: Suite, organisation_id: str | None) -> TableVerdict:
    results = report.of(suite.table, organisation_id)
    if not any(result.rows for result in results):
        if suite.required:
            return TableVerdict(suite.table, organisation_id, "quarantine", (_nothing(suite),))
        return TableVerdict(suite.table, organisation_id, "not_applicable")
    reasons = tuple(_reason(report, result) for result in results if result.outcome == "fail")
    return TableVerdict(suite.table, organisation_id, "quarantine" if reasons else "admit", reasons)


def _nothing(suite: Suite) -> Reason:
    return Reason(
        "", Bilingual(f"{suite.title.zh}表没有任何行。", f"The table {suite.table} has no row at all.")
    )


def _reason(report: QualityReport, result: RuleResult) -> Reason:
    rule = report.rule(result.rule)
    counts = f"{result.failing}/{result.applicable}"
    allowed = f"{1 - rule.mostly:.2%}"
    return Reason(
        rule.id,
        Bilingual(
            f"{rule.text.zh}（{counts} 行，允许 {allowed}）",
            f"{rule.text.en} ({counts} rows; {allowed} are allowed)",
        ),
    )


def quarantined_rows(
    tables: Mapping[str, pd.DataFrame], suites: Mapping[str, Suite]
) -> dict[str, pd.DataFrame]:
    """The rows that break a rule which holds rows back: for every suite's table a frame of HELD, maybe empty.

    A row that breaks two such rules is there twice, once for each.
    """
    with judged_tables(tables, suites) as judged:
        return {name: _held(judged[name]) for name in sorted(judged)}


def _held(judged: Judged) -> pd.DataFrame:
    import ibis

    rules = {n: rule.id for n, rule in enumerate(judged.suite.rules) if rule.holds_rows_back}
    if not rules:
        return pd.DataFrame(columns=list(HELD))
    fails = [Judged.fails(number) for number in rules]
    rows = judged.rows.select(*KEYS, *fails)
    broken = rows.filter(ibis.or_(*(rows[name] for name in fails))).execute()
    parts = [
        broken.loc[broken[Judged.fails(number)].astype(bool), list(KEYS)].assign(**{RULE: rule_id})
        for number, rule_id in rules.items()
    ]
    held: pd.DataFrame = pd.concat(parts, ignore_index=True).sort_values(list(HELD), ignore_index=True)
    return held


def without(tables: Mapping[str, pd.DataFrame], held: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables without the rows that are held back. The frames given are not changed."""
    return {name: _without(frame, held.get(name)) for name, frame in tables.items()}


def _without(frame: pd.DataFrame, held: pd.DataFrame | None) -> pd.DataFrame:
    if held is None or held.empty:
        return frame
    key = list(core.MERGE_KEY)
    gone = pd.MultiIndex.from_frame(held[key].astype({core.ROW_INDEX: "int64"}))
    there = pd.MultiIndex.from_frame(frame[key].astype({core.ROW_INDEX: "int64"}))
    kept: pd.DataFrame = frame[~there.isin(gone)].reset_index(drop=True)
    return kept
