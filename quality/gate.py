"""The gate: which tables may be used, and which rows are held back from data locks.

Two different answers. A table in which too many rows break a rule is quarantined as a whole, because what
went wrong is in how it was made. A single row that cannot be true (999 positive lymph nodes) is held back by
itself, and the table stays in use. Only critical rules close the gate, and one that could not be asked closes
it as one that failed; what other rules found stands beside the verdict.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from quality.checks import KEYS, Judged, judged_tables
from quality.report import QualityReport, RuleResult
from quality.rules import UNITS, Suite
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

    def as_dict(self) -> dict[str, str]:
        return {"rule": self.rule, "zh": self.text.zh, "en": self.text.en}


@dataclass(frozen=True)
class TableVerdict:
    """`not_applicable`: the table holds no row, so nothing was admitted and nothing was wrong.

    `warnings` are failed rules that do not close the gate. `upload_id`: of one upload's rows alone.
    """

    table: str
    organisation_id: str | None
    verdict: Verdict
    reasons: tuple[Reason, ...] = ()
    warnings: tuple[Reason, ...] = ()
    upload_id: str = ""

    def as_dict(self) -> dict[str, Any]:
        upload = {"upload_id": self.upload_id} if self.upload_id else {}
        return {
            "table": self.table,
            "organisation_id": self.organisation_id,
            **upload,
            "verdict": self.verdict,
            "reasons": [reason.as_dict() for reason in self.reasons],
            "warnings": [reason.as_dict() for reason in self.warnings],
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


def decide_for_study(
    report: QualityReport, tables: Collection[str], rules: Collection[str] | None = None
) -> Gate:
    """The gate of one study: the tables that its protocol reads, and those without which there is no study.

    A table without rows is `not_applicable` here as everywhere: that nothing happened is for the study to say.
    `rules`: ids of the critical rules that matter to it; all of its tables' when not said.
    """
    needed = {*tables, *(suite.table for suite in report.suites if suite.required)}
    suites = [suite for suite in report.suites if suite.table in needed]

    def verdicts(organisation: str | None) -> list[TableVerdict]:
        return [_decide(report, suite, organisation, rules) for suite in suites]

    hospitals = [verdict for name in report.organisations for verdict in verdicts(name)]
    unknown = sorted(needed - {suite.table for suite in suites})
    return Gate((*verdicts(None), *(_without_suite(table) for table in unknown)), tuple(hospitals))


def decide_for_upload(report: QualityReport, upload_id: str) -> tuple[TableVerdict, ...]:
    """The verdicts on the rows that one upload brought, as they stand in the lake, for each table it touched."""
    results = report.of_upload(upload_id)
    verdicts = []
    for count in report.uploads:
        if count.upload_id == upload_id and count.rows:
            mine = [
                one
                for one in results
                if (one.table, one.organisation_id) == (count.table, count.organisation_id)
            ]
            reasons, warnings = _reasons(report, mine, None)
            verdict: Verdict = "quarantine" if reasons else "admit"
            verdicts.append(
                TableVerdict(count.table, count.organisation_id, verdict, reasons, warnings, upload_id)
            )
    return tuple(verdicts)


def _decide(
    report: QualityReport, suite: Suite, organisation_id: str | None, rules: Collection[str] | None = None
) -> TableVerdict:
    results = report.of(suite.table, organisation_id)
    reasons, warnings = _reasons(report, results, rules)
    if not any(result.rows for result in results) and not any(result.error for result in results):
        if suite.required:
            return TableVerdict(suite.table, organisation_id, "quarantine", (_nothing(suite),))
        return TableVerdict(suite.table, organisation_id, "not_applicable")
    verdict: Verdict = "quarantine" if reasons else "admit"
    return TableVerdict(suite.table, organisation_id, verdict, reasons, warnings)


Reasons = tuple[Reason, ...]


def _reasons(
    report: QualityReport, results: Iterable[RuleResult], rules: Collection[str] | None
) -> tuple[Reasons, Reasons]:
    """What closes the gate, and what is only to be known."""
    closing: list[Reason] = []
    warning: list[Reason] = []
    for result in results:
        if result.status in ("fail", "error"):
            matters = rules is None or result.rule in rules
            closes = matters and report.rule(result.rule).severity == "critical"
            (closing if closes else warning).append(_reason(report, result))
    return tuple(closing), tuple(warning)


def _nothing(suite: Suite) -> Reason:
    return Reason(
        "", Bilingual(f"{suite.title.zh}表没有任何行。", f"The table {suite.table} has no row at all.")
    )


def _without_suite(table: str) -> TableVerdict:
    text = Bilingual(
        f"{table} 表没有质量规则，未经检查。", f"The table {table} has no rules and was not checked."
    )
    return TableVerdict(table, None, "quarantine", (Reason("", text),))


def _reason(report: QualityReport, result: RuleResult) -> Reason:
    rule = report.rule(result.rule)
    if result.error is not None:
        return Reason(
            rule.id,
            Bilingual(f"{rule.text.zh}（{result.error['zh']}）", f"{rule.text.en} ({result.error['en']})"),
        )
    if result.statistic is not None:
        measured = f"PSI {result.statistic:.2f}", f"{rule.limit:.2f}"
        return Reason(
            rule.id,
            Bilingual(
                f"{rule.text.zh}（{measured[0]}，允许 {measured[1]}）",
                f"{rule.text.en} ({measured[0]}; {measured[1]} is allowed)",
            ),
        )
    counts, unit = f"{result.failing}/{result.applicable}", UNITS[rule.unit]
    allowed = f"{1 - rule.mostly:.2%}"
    return Reason(
        rule.id,
        Bilingual(
            f"{rule.text.zh}（{counts} {unit.zh}，允许 {allowed}）",
            f"{rule.text.en} ({counts} {unit.en}; {allowed} are allowed)",
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

    rules = {
        number: rule.id
        for number, rule in enumerate(judged.suite.rules)
        # One that cannot be asked holds no row back: it closes the gate on the whole table.
        if rule.holds_rows_back and number not in judged.broken
    }
    if not rules or judged.rows is None:
        return pd.DataFrame(columns=list(HELD))
    fails = [Judged.fails(number) for number in rules]
    rows = judged.flagged(rules, *KEYS)
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
