"""The protocol's `lock` section: what stands in the lock in place of true dates and of columns too fine."""

from __future__ import annotations

import re
from typing import Literal, cast

from rwd_platform.core.columns import PROVENANCE, ROW_ORDER, SOURCE_ROW
from studies.protocol import (
    CalendarRule,
    Cohort,
    DefinedCohort,
    LockDates,
    LockPlan,
    Protocol,
    Records,
)
from studies.protocol_codes import codes_of_one_system
from studies.protocol_rows import entry_columns
from studies.tables import (
    ADVERSE_EVENT_COLUMNS,
    ADVERSE_EVENT_TABLE,
    DEVICE_TABLE,
    EVENT_TABLES,
    OUTCOME_TABLE,
    SUBJECT_TABLE,
)
from studies.yaml_reader import Node, refused

# The cohort and the baseline never see outcomes: the protocol cannot even name that table there.
BASELINE_TABLES = tuple(name for name in EVENT_TABLES if name not in (OUTCOME_TABLE, DEVICE_TABLE))
EXPOSURE_TABLES = (*BASELINE_TABLES, DEVICE_TABLE)

_COLUMN = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
_ACTION = re.compile(r"drop|age-band:(?:[1-9]|[12][0-9]|30)|generalise:[a-z][a-z0-9_-]*:[a-z0-9_-]{1,32}")
# What joins a lock's rows to each other, to their site and to their source lines.
_NEVER_GENERALISED = frozenset({"subject_id", "site_id", "index_date", SOURCE_ROW, ROW_ORDER, *PROVENANCE})
_VALUES = ("value", "unit_code", "value_code")


def read_records(node: Node, *tables: str, extra: tuple[str, ...] = ()) -> Records:
    """The fields that select rows; `extra` are the caller's own keys in the same mapping.

    The codes are written out with their system, or are those of a code list of one system.
    """
    if isinstance(node.value, dict) and "list" in node.value:
        node.keys(("table", "list", "statuses"), extra)
        system, codes = codes_of_one_system(node.at("list"))
        return Records(
            table=node.at("table").choice(*tables),
            code_system=system,
            codes=codes,
            statuses=node.at("statuses").texts(least=1),
            code_list=node.at("list").text(),
        )
    node.keys(("table", "code_system", "codes", "statuses"), extra)
    return Records(
        table=node.at("table").choice(*tables),
        code_system=node.at("code_system").text(),
        codes=node.at("codes").texts(least=1),
        statuses=node.at("statuses").texts(least=1),
    )


def read_lock_plan(node: Node) -> LockPlan:
    node.keys((), ("dates", "generalise", "calendar", "free_text"))
    dates = node.at("dates").choice("days", "shift", "month") if node.has("dates") else "days"
    plan = []
    for column, action in node.at("generalise").pairs() if node.has("generalise") else ():
        if not _COLUMN.fullmatch(column):
            raise refused(action.path, "列应写作“表.列”", "a column is written table.column")
        if not _ACTION.fullmatch(action.text()):
            raise refused(
                action.path,
                "动作只能是 drop、age-band:宽度 或 generalise:层级:级别",
                "an action is drop, age-band:<width> or generalise:<hierarchy>:<level>",
            )
        plan.append((column, action.text()))
    rules = node.at("calendar").items() if node.has("calendar") else ()
    return LockPlan(
        cast(LockDates, dates),
        tuple(plan),
        tuple(_calendar_rule(item) for item in rules),
        free_text=node.has("free_text") and node.at("free_text").truth(),
    )


def _calendar_rule(node: Node) -> CalendarRule:
    node.keys(("id", "date", "title", "records", "order"), ("when_broken",))
    broken = "refuse"
    if node.has("when_broken"):
        broken = node.at("when_broken").choice("refuse", "leave_out", "report")
    return CalendarRule(
        id=node.at("id").word(),
        date=node.at("date").day(),
        title=node.at("title").bilingual(),
        # Rows may be left out by such a rule before the cohort is defined, so outcomes take no part.
        records=read_records(node.at("records"), *BASELINE_TABLES),
        order=cast(Literal["not_before", "not_after"], node.at("order").choice("not_before", "not_after")),
        when_broken=cast(Literal["refuse", "leave_out", "report"], broken),
    )


def check_lock_plan(protocol: Protocol) -> None:
    """What the lock leaves must be enough for what is planned, and each rule has a name of its own."""
    plan = protocol.lock
    if not protocol.analyses and plan.dates != "month":
        raise refused("analyses", "至少需要 1 项", "at least 1 are needed")
    if protocol.analyses and plan.dates == "month":
        raise refused(
            "lock.dates",
            f"按月锁定的数据没有天数，无法分组和计算随访时间，不能进行计划中的分析"
            f"“{protocol.analyses[0].id}”；请改用 days 或 shift，或将 analyses 设为 []",
            f"a lock by month has no days, so nobody can be put into an arm or followed up, and the planned "
            f"analysis '{protocol.analyses[0].id}' cannot be made; use days or shift, or plan no analyses: []",
        )
    used = _used_columns(protocol) if protocol.analyses else frozenset()
    for column, _ in plan.generalise:
        if column in used or column.partition(".")[2] in _NEVER_GENERALISED:
            raise refused(
                f"lock.generalise.{column}",
                "计划中的分析需要该列的原值，不能泛化或删除",
                "the planned analyses need this column as it is; it cannot be generalised or dropped",
            )
    seen: set[str] = set()
    for at, rule in enumerate(plan.calendar):
        if rule.id in seen:
            raise refused(f"lock.calendar[{at}].id", f"“{rule.id}”重复", f"'{rule.id}' stands twice")
        seen.add(rule.id)


def _used_columns(protocol: Protocol) -> frozenset[str]:
    """`table.column` of whatever studies.dataset reads from the lock for this protocol."""
    chosen = [protocol.exposure.records, protocol.exposure.comparator]
    chosen += [protocol.cohort.index] if isinstance(protocol.cohort, Cohort) else []
    chosen += [source.records for source in protocol.outcome.sources]
    chosen += [covariate.records for covariate in protocol.covariates]
    used = {f"{SUBJECT_TABLE}.{one.column}" for one in protocol.covariates if one.kind == "subject"}
    for table in {records.table for records in chosen if records is not None}:
        spec = EVENT_TABLES[table]
        used |= {
            f"{table}.{column}"
            for column in (spec.system, spec.code, spec.date, spec.day, spec.status, *_VALUES)
        }
    if isinstance(protocol.cohort, DefinedCohort):
        used |= entry_columns(protocol.cohort)
    if any(one.method == "safety" for one in protocol.analyses):
        used |= {f"{ADVERSE_EVENT_TABLE}.{column}" for column in ADVERSE_EVENT_COLUMNS}
    return frozenset(used)
