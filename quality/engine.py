"""The quality check: one pass per table through the query engine, judged by Great Expectations.

Ibis counts, for every rule, hospital and upload, the rows that the rule speaks about and those that fail, on
whichever engine holds the tables. A rule that cannot be asked is an error of that rule alone: when the one
pass of a table breaks, its halves are asked, until what broke it stands alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from quality.checks import UPLOAD_ID, Judged, Surroundings, judge, judged_tables
from quality.drift import NONE, Drift, drifts
from quality.judgement import judge_counts
from quality.report import Distribution, QualityReport, RuleResult, Status, UploadCount, status_of
from quality.rules import DRIFT, Rule, Suite
from rwd_platform.core.columns import ORGANISATION_ID
from rwd_platform.core.errors import Exit, PlatformError, Problem

__all__ = ["QualityReport", "RuleResult", "check_ibis_tables", "check_tables"]

RULE_RAISED = Problem(
    code="quality.rule_raised",
    zh="规则 {rule} 未能执行（{kind}），没有结论。",
    en="Rule {rule} could not be carried out ({kind}), so it has no verdict.",
    next_zh="其余规则不受影响；请核对该规则所用的列与数据类型。",
    next_en="The other rules are not affected; check the columns that the rule uses, and their types.",
    http=500,
    exit=Exit.BROKEN_ENVIRONMENT,
)
_ROWS = "rows"


@dataclass(frozen=True)
class _Pass:
    """What one pass over a table counted: a row a hospital and upload; and the rules that could not be asked."""

    suite: Suite
    counts: pd.DataFrame
    bins: Mapping[int, Collection[str]]
    broken: Mapping[int, PlatformError]


def check_tables(
    tables: Mapping[str, pd.DataFrame],
    suites: Mapping[str, Suite],
    around: Surroundings | None = None,
    begins: Callable[[str], None] = lambda table: None,
) -> QualityReport:
    """Check lake tables against their suites. A table without rows, or that is not there, passes nothing.

    begins -- told the name of each table before its rows are counted
    """
    with judged_tables(tables, suites, around) as judged:
        return _report(judged, around or Surroundings(), begins)


def check_ibis_tables(
    tables: Mapping[str, Any], suites: Mapping[str, Suite], around: Surroundings | None = None
) -> QualityReport:
    """The same on Ibis tables of one engine, whichever it is."""
    return _report(judge(tables, suites, around), around or Surroundings())


def _report(
    judged: Mapping[str, Judged], around: Surroundings, begins: Callable[[str], None] = lambda table: None
) -> QualityReport:
    passes: dict[str, _Pass] = {}
    for name in sorted(judged):
        begins(name)
        passes[name] = _pass(judged[name])
    organisations = sorted({place[0] for one in passes.values() for place in one.counts.index})
    uploads: list[UploadCount] = []
    distributions: list[Distribution] = []
    for one in passes.values():
        places = _in_time(one.counts, around.received)
        uploads += _uploads(one, places)
        distributions += _distributions(one, places)
    results: list[RuleResult] = []
    for one in passes.values():
        results += _results(one, organisations, distributions)
    return QualityReport(
        suites=tuple(one.suite for one in passes.values()),
        results=tuple(results),
        uploads=tuple(uploads),
        distributions=tuple(distributions),
    )


def _pass(judged: Judged) -> _Pass:
    if judged.rows is None:
        return _Pass(judged.suite, _no_counts(), {}, judged.broken)
    numbers = [number for number in range(len(judged.suite.rules)) if number not in judged.broken]
    broken = dict(judged.broken)
    try:
        counts = _count(judged, numbers)
    except Exception:  # an engine's errors have no common type; which rule it was is found below
        counts = _counted_in_parts(judged, numbers, broken)
    return _Pass(judged.suite, counts.sort_index().fillna(0).astype("int64"), judged.bins, broken)


def _no_counts() -> pd.DataFrame:
    places = pd.MultiIndex.from_tuples([], names=[ORGANISATION_ID, UPLOAD_ID])
    return pd.DataFrame({_ROWS: pd.Series(dtype="int64")}, index=places)


def _counted_in_parts(
    judged: Judged, numbers: Sequence[int], broken: dict[int, PlatformError]
) -> pd.DataFrame:
    """The counts of every rule that can be counted; `broken` gains the others."""
    try:
        counts = _count(judged, ())
    except Exception as error:
        broken |= {number: _raised(judged.suite.rules[number], error) for number in numbers}
        return _no_counts()
    for part in _parts(judged, numbers, broken):
        counts = counts.join(part.drop(columns=_ROWS))
    return counts


def _parts(judged: Judged, numbers: Sequence[int], broken: dict[int, PlatformError]) -> list[pd.DataFrame]:
    """The rules' counts in as few passes as can be had."""
    if not numbers:
        return []
    try:
        return [_count(judged, numbers)]
    except Exception as error:
        if len(numbers) == 1:
            broken[numbers[0]] = _raised(judged.suite.rules[numbers[0]], error)
            return []
    half = len(numbers) // 2
    return _parts(judged, numbers[:half], broken) + _parts(judged, numbers[half:], broken)


def _raised(rule: Rule, error: Exception) -> PlatformError:
    """An engine's message may repeat a value of the table; the error's type does not."""
    return RULE_RAISED.error(rule=rule.id, kind=type(error).__name__)


def _count(judged: Judged, numbers: Sequence[int]) -> pd.DataFrame:
    """One pass over a table: a row a hospital and upload; `rows`, two counts for every rule, one for a bin."""
    rows, flags = judged.shared(numbers, ORGANISATION_ID, UPLOAD_ID)
    counts = {_ROWS: rows.count(), **{name: flag.cast("int64").sum() for name, flag in flags.items()}}
    counted: pd.DataFrame = rows.group_by([ORGANISATION_ID, UPLOAD_ID]).aggregate(**counts).execute()
    counted[UPLOAD_ID] = counted[UPLOAD_ID].fillna("")
    return counted.groupby([ORGANISATION_ID, UPLOAD_ID]).sum()


Places = list[tuple[tuple[str, str], dict[str, int]]]


def _in_time(counts: pd.DataFrame, received: Mapping[str, str]) -> Places:
    """((hospital, upload), its counts), a hospital's uploads in the order in which they came."""
    records = zip(counts.index, counts.to_dict("records"), strict=True)
    places = [(place, {str(name): int(count) for name, count in row.items()}) for place, row in records]
    return sorted(places, key=lambda one: (one[0][0], received.get(one[0][1], ""), one[0][1]))


def _uploads(counted: _Pass, places: Places) -> list[UploadCount]:
    asked = [
        (rule.id, Judged.applies(number), Judged.fails(number))
        for number, rule in enumerate(counted.suite.rules)
        if number not in counted.broken and rule.kind not in DRIFT
    ]
    return [
        UploadCount(
            counted.suite.table,
            *place,
            rows=count[_ROWS],
            rules={rule: (count[applies], count[fails]) for rule, applies, fails in asked if count[applies]},
        )
        for place, count in places
    ]


def _distributions(counted: _Pass, places: Places) -> list[Distribution]:
    return [
        Distribution(
            counted.suite.rules[number].id,
            *place,
            counts={name: count[Judged.bin(number, at)] for at, name in enumerate(names)},
        )
        for number, names in counted.bins.items()
        if number not in counted.broken
        for place, count in places
    ]


def _results(
    counted: _Pass, organisations: Sequence[str], distributions: Sequence[Distribution]
) -> list[RuleResult]:
    """For all hospitals together, then for each: every rule's counts, and Great Expectations' verdict on them."""
    scopes: list[str | None] = [None, *organisations]
    by_hospital = counted.counts.groupby(level=0).sum().reindex(list(organisations), fill_value=0)
    together = pd.DataFrame([counted.counts.sum()])
    totals: list[Mapping[Any, int]] = [*together.to_dict("records"), *by_hospital.to_dict("records")]
    drift = {rule.id: drifts(rule, distributions) for rule in counted.suite.rules if rule.kind in DRIFT}
    table: dict[str, list[RuleResult]] = {}
    for number, rule in enumerate(counted.suite.rules):
        found = drift.get(rule.id, {})
        table[rule.id] = [
            _result(counted, number, rule, scope, total, found.get(scope, NONE))
            for scope, total in zip(scopes, totals, strict=True)
        ]
    judgement = judge_counts(counted.suite, {name: _measured(listed) for name, listed in table.items()})
    judged = []
    for place in range(len(scopes)):
        for rule in counted.suite.rules:
            result = table[rule.id][place]
            if rule.id in judgement.raised:
                why = RULE_RAISED.error(rule=rule.id, kind="Great Expectations")
                result = replace(result, status="error", error=why.as_dict())
            elif result.status in ("pass", "pass_with_rows", "fail"):
                broken = (rule.id, place) in judgement.broken
                held: Status = "pass_with_rows" if result.failing else "pass"
                result = replace(result, status="fail" if broken else held)
            judged.append(result)
    return judged


def _result(
    counted: _Pass, number: int, rule: Rule, scope: str | None, total: Mapping[Any, int], drift: Drift
) -> RuleResult:
    place = counted.suite.table, rule.id, scope, int(total[_ROWS])
    if number in counted.broken:
        return RuleResult(*place, 0, 0, "error", error=counted.broken[number].as_dict())
    if rule.kind in DRIFT:
        status = status_of(rule, drift.comparisons, drift.drifted)
        return RuleResult(*place, drift.comparisons, drift.drifted, status, drift.statistic)
    applicable, failing = (int(total.get(name(number), 0)) for name in (Judged.applies, Judged.fails))
    return RuleResult(*place, applicable, failing, status_of(rule, applicable, failing))


def _measured(results: Sequence[RuleResult]) -> list[float | None]:
    """What Great Expectations is shown of a rule: the drift, or the share kept; nothing where nothing was asked."""
    return [
        None
        if not result.applicable
        else result.statistic
        if result.statistic is not None
        else (result.applicable - result.failing) / result.applicable
        for result in results
    ]
