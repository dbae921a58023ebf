"""Order against a day that the world fixed: a licence, an approval, a recall. Checked on the true dates.

A product cannot have been handed over before it was licensed. Such a row is an error at its source; after
the dates were shifted nobody could see it any more, and a shift that were capped at the licence would hide
it. So it is looked for before, counted by source, and nothing is put right by moving a date.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from rwd_platform.core import columns
from rwd_platform.core.errors import Exit, Problem

Order = Literal["not_before", "not_after"]

_FHIR_DATE = re.compile(r"[0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2})?)?")

CALENDAR_BROKEN = Problem(
    code="lock.calendar_broken",
    zh="数据锁定被拒绝：有记录的真实日期违反研究方案的日历规则（{rules}）。",
    en="No data lock was made: true dates break the protocol's calendar rules ({rules}).",
    next_zh="请医院核对并更正这些记录后重传；若方案允许，也可在规则中写明 leave_out 或 report 后重新登记。",
    next_en="Let the hospital check these records and send them again; a protocol may say leave_out or report "
    "for the rule instead, and be registered anew.",
    http=409,
    exit=Exit.REFUSED,
)


@dataclass(frozen=True)
class OrderFinding:
    """What a rule found. checked = kept + broken + undecided + undated, all in rows.

    broken    -- rows on the wrong side, by `organisation / source system`
    undecided -- rows whose date is too coarse to tell (`2024` against 2024-03-01)
    undated   -- rows without a date
    rows      -- the index labels of the broken rows
    """

    rule: str
    day: str
    order: Order
    checked: int
    broken: Mapping[str, int]
    undecided: int
    undated: int
    rows: tuple[Any, ...]

    def as_dict(self) -> dict[str, Any]:
        """Counts only, for a lock's facts."""
        return {
            "rule": self.rule,
            "date": self.day,
            "order": self.order,
            "checked": self.checked,
            "broken": dict(self.broken),
            "undecided": self.undecided,
            "undated": self.undated,
        }


def find_order(rows: pd.DataFrame, rule: str, day: str, order: Order) -> OrderFinding:
    """Which of the rows lie on the wrong side of `day` (YYYY-MM-DD; on the day itself the order holds).

    `rows` has organisation_id, source_system and `date`: a FHIR date or dateTime, as precise as recorded.
    A dateTime counts by the day of its own offset.
    """
    broken: Counter[str] = Counter()
    labels = []
    undecided = undated = 0
    places = zip(rows[columns.ORGANISATION_ID], rows[columns.SOURCE_SYSTEM], strict=True)
    for label, place, text in zip(rows.index, places, rows["date"], strict=True):
        at = text[:10] if isinstance(text, str) and _FHIR_DATE.fullmatch(text[:10]) else ""
        limit = day[: len(at)]
        if not at:
            undated += 1
        elif at == limit:
            undecided += len(at) < len(day)
        elif (at < limit) == (order == "not_before"):
            broken[" / ".join(map(str, place))] += 1
            labels.append(label)
    return OrderFinding(
        rule=rule,
        day=day,
        order=order,
        checked=len(rows),
        broken=dict(sorted(broken.items())),
        undecided=undecided,
        undated=undated,
        rows=tuple(labels),
    )


def check_order(findings: Sequence[OrderFinding]) -> None:
    """Raises `lock.calendar_broken`, which names each broken rule and in how many rows of which source."""
    broken = [f"{one.rule} {source}: {count}" for one in findings for source, count in one.broken.items()]
    if broken:
        raise CALENDAR_BROKEN.error(rules="; ".join(broken))
