"""The quality page's own reading of the runs: per hospital and table how many rules have which status, over time,
and the rules that are not kept, with the question that was asked about them.

A rule about which the newest run says nothing for a hospital is "not run": it is counted and shown, never left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rwd_platform.core.clock import SHANGHAI
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.quality_findings import NOT_RUN, Finding, Findings, RuleFacts
from rwd_platform.records.records import Records
from rwd_platform.records.tables import QualityQuestion, QualityRun
from rwd_platform.server import queries
from rwd_platform.server.deps import Visitor
from rwd_platform.server.quality_words import PROBLEMS, STATUSES

HOSPITALS_ON_A_PAGE = 10
RULES_ON_A_PAGE = 100
RUNS_SHOWN = 12
FAILING_SHOWN = 5  # beside a hospital's headline; the list above has them all
ALL, ONLY_PROBLEMS = "all", "problems"


@dataclass(frozen=True)
class RuleFilter:
    """Which rules the list shows; "" asks for everything. `status`: one, ONLY_PROBLEMS, or ALL."""

    hospital: str = ""
    table: str = ""
    status: str = ONLY_PROBLEMS
    category: str = ""


@dataclass(frozen=True)
class TableLine:
    """One table of one hospital: rules by status, and the checks behind them (a check is one rule of one row)."""

    table: str
    counts: Mapping[str, int]
    rows: int
    asked: int
    failing: int


@dataclass(frozen=True)
class HospitalPart:
    """One hospital: its tables, the rules that it does not keep, and the share of rules that it kept in the last runs
    (date, share or None).
    """

    id: str
    name: Bilingual
    counts: Mapping[str, int]
    tables: tuple[TableLine, ...]
    trend: tuple[tuple[str, float | None], ...]
    failing: tuple[RuleFacts, ...] = ()

    @property
    def kept(self) -> int:
        """Rules that hold, also where some rows break them."""
        return self.counts["pass"] + self.counts["pass_with_rows"]

    @property
    def asked(self) -> int:
        """Rules that had rows to speak about: those not applicable, not run, or that raised are not among them."""
        return self.kept + self.counts["fail"]

    @property
    def was_checked(self) -> bool:
        return any(count for status, count in self.counts.items() if status != NOT_RUN)


@dataclass(frozen=True)
class RuleLine:
    """One rule of one hospital, and the open question about it, if there is one."""

    rule: RuleFacts
    finding: Finding
    hospital: Bilingual
    question_id: str


@dataclass(frozen=True)
class Dashboard:
    hospitals: tuple[HospitalPart, ...]
    hospitals_total: int
    rules: tuple[RuleLine, ...]
    rules_total: int
    tables: tuple[str, ...]
    names: Mapping[str, Bilingual]
    failing_total: int = 0  # rules that fail in the chosen hospitals; one that fails in two counts twice


def read(
    records: Records,
    runs: Sequence[QualityRun],
    visitor: Visitor,
    wanted: RuleFilter,
    questions: Sequence[QualityQuestion],
    page: int = 1,
    hospital_page: int = 1,
) -> Dashboard:
    """What this visitor may see of the newest of `runs` (the newest first): a page of rules, and one of hospitals."""
    newest = Findings(runs[0])
    names = _names(records, visitor, newest)
    of_hospital: dict[str, list[tuple[RuleFacts, Finding]]] = {id: _findings(newest, id) for id in names}
    chosen = [id for id in names if wanted.hospital in ("", id)]
    first = (hospital_page - 1) * HOSPITALS_ON_A_PAGE
    shown = chosen[first : first + HOSPITALS_ON_A_PAGE]
    trends = _trends(runs, shown)
    parts = [_part(id, names[id], of_hospital[id], wanted, trends[id]) for id in shown]
    open_ids = {(one.rule, one.organisation_id): one.id for one in questions}
    lines = [
        RuleLine(rule, finding, names[id], open_ids.get((rule.id, id), ""))
        for id in chosen
        for rule, finding in of_hospital[id]
        if _is_wanted(rule, finding, wanted)
    ]
    lines.sort(key=lambda one: (_rank(one.finding.status), one.rule.id, one.finding.organisation_id))
    start = (page - 1) * RULES_ON_A_PAGE
    return Dashboard(
        hospitals=tuple(parts),
        hospitals_total=len(chosen),
        rules=tuple(lines[start : start + RULES_ON_A_PAGE]),
        rules_total=len(lines),
        tables=tuple(sorted({rule.table for rule in newest.rules.values()})),
        names=names,
        failing_total=sum(one.status == "fail" for id in chosen for _, one in of_hospital[id]),
    )


def _names(records: Records, visitor: Visitor, newest: Findings) -> dict[str, Bilingual]:
    """The hospitals that the visitor may see: those registered, and whoever else stands in the run."""
    visible = queries.visible_organisations(records, visitor, "quality.read")
    in_run = {finding.organisation_id for finding in newest.all()}
    own = visitor.user.role == "hospital"
    return {
        id: Bilingual(one.name_zh, one.name_en)
        for id, one in sorted(visible.items())
        if one.kind == "hospital" or id in in_run or (own and id == visitor.actor.organisation)
    }


def _findings(newest: Findings, hospital: str) -> list[tuple[RuleFacts, Finding]]:
    """Every rule that the run asks, also those about which it says nothing for this hospital."""
    return [(rule, newest.of(rule.id, hospital)) for rule in newest.rules.values()]


def _part(
    id: str,
    name: Bilingual,
    found: list[tuple[RuleFacts, Finding]],
    wanted: RuleFilter,
    trend: tuple[tuple[str, float | None], ...],
) -> HospitalPart:
    tables = sorted({rule.table for rule, _ in found if wanted.table in ("", rule.table)})
    lines = [_line(table, [one for rule, one in found if rule.table == table]) for table in tables]
    failing = tuple(rule for rule, one in found if one.status == "fail")
    return HospitalPart(id, name, _counts([one for _, one in found]), tuple(lines), trend, failing)


def _line(table: str, found: list[Finding]) -> TableLine:
    return TableLine(
        table=table,
        counts=_counts(found),
        rows=max((one.rows for one in found), default=0),
        asked=sum(one.applicable for one in found),
        failing=sum(one.failing for one in found),
    )


def _counts(found: list[Finding]) -> dict[str, int]:
    counts = dict.fromkeys(STATUSES, 0)
    for one in found:
        counts[one.status if one.status in counts else NOT_RUN] += 1
    return counts


def _trends(
    runs: Sequence[QualityRun], hospitals: list[str]
) -> dict[str, tuple[tuple[str, float | None], ...]]:
    """(day, share of rules kept of those asked) in each run, the oldest first."""
    points: dict[str, list[tuple[str, float | None]]] = {id: [] for id in hospitals}
    for run in reversed(runs[:RUNS_SHOWN]):
        kept, asked = dict.fromkeys(hospitals, 0), dict.fromkeys(hospitals, 0)
        for one in Findings(run).all():
            if one.organisation_id in points and one.status in ("pass", "pass_with_rows", "fail"):
                asked[one.organisation_id] += 1
                kept[one.organisation_id] += one.status != "fail"
        for id in hospitals:
            points[id].append((_day(run.made_at), kept[id] / asked[id] if asked[id] else None))
    return {id: tuple(found) for id, found in points.items()}


def _day(instant: str) -> str:
    return datetime.fromisoformat(instant).astimezone(SHANGHAI).strftime("%Y-%m-%d")


def _is_wanted(rule: RuleFacts, finding: Finding, wanted: RuleFilter) -> bool:
    if wanted.table not in ("", rule.table) or wanted.category not in ("", rule.category):
        return False
    if wanted.status == ONLY_PROBLEMS:
        return finding.status in PROBLEMS
    return wanted.status in (ALL, finding.status)


def _rank(status: str) -> int:
    return PROBLEMS.index(status) if status in PROBLEMS else len(PROBLEMS)
