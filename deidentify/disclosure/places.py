"""Where a finding is, as a reader is told: the id of a row where it is plain, else its number."""

from __future__ import annotations

from deidentify.disclosure.names import is_plain
from deidentify.disclosure.read import Results

# Shares along a curve, each beside the number at risk of the same arm and day.
SHARES_OF_CURVES = ("survival", "cumulative_incidence", "competing_incidence")


def at_risk_of(id: str) -> str:
    """`a.exposed.cumulative_incidence.day_30` -> `a.exposed.at_risk.day_30`; the id itself where it is of no curve."""
    before, key = id.rpartition(".")[::2]
    stem, statistic = before.rpartition(".")[::2]
    return f"{stem}.at_risk.{key}" if statistic in SHARES_OF_CURVES else id


def shown_place(results: Results, where: str) -> str:
    """`row 7` for a row whose id is somebody's text, `series 2[3].left` for a place in such a series."""
    if is_plain(where):
        return where
    for number, row in enumerate(results.rows, start=1):
        if row.id == where:
            return f"row {number}"
    for number, one in enumerate(results.series, start=1):
        if where == one.id or where.startswith(f"{one.id}["):
            rest = where.removeprefix(one.id)
            return f"series {number}{rest}" if is_plain(f"s{rest}") else f"series {number}"
    for number, name in enumerate(results.row_sets, start=1):
        if where == f"row_sets.{name}":
            return f"row set {number}"
    return "\u2026"
