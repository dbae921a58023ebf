"""What stands behind a number must be known: without it there is nothing to compare with the minimum."""

from __future__ import annotations

from collections.abc import Iterator

from deidentify.disclosure.findings import Case, Finding, Rule
from deidentify.disclosure.places import at_risk_of
from deidentify.disclosure.read import Row
from rwd_platform.core.text import Bilingual

RULE = Rule(
    "support_unknown",
    Bilingual("缺少所依据的人数", "The persons behind it are not told"),
    Bilingual(
        "该结果没有附上 {what}，无法判断其所依据的人数。",
        "The number comes without {what}, so that nobody can tell how many persons stand behind it.",
    ),
    Bilingual("补上 {what} 后再检查。", "Add {what} and check again."),
)
_NEEDED = {"n": "n", "tail": "n", "share": "n", "dof": "n", "at_risk": "at_risk"}


def find(case: Case) -> Iterator[Finding]:
    known = {row.id: row for row in case.support.rows} if case.support else {}
    at_risk = {
        row.id
        for row in (*known.values(), *case.results.rows)
        if row.statistic == "at_risk" and row.number is not None
    }
    for row, field in case.declared():
        what = _NEEDED.get(field.minimum)
        if what is None or row.value is None:
            continue
        if what == "at_risk":
            is_known = at_risk_of(row.id) in at_risk or _line(row) in at_risk
        else:
            is_known = _has_n(row, field.minimum) or (
                row.id in known and _has_n(known[row.id], field.minimum)
            )
        if not is_known:
            yield RULE.finding(row.id, outcome="review", what=what)


def _has_n(row: Row, minimum: str) -> bool:
    return row.n is not None or (minimum == "dof" and row.events is not None)


def _line(row: Row) -> str:
    """The number at risk of the same line of a table."""
    return row.id.rpartition(".")[0] + ".at_risk"
