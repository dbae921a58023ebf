"""Whole steps over rows of events: which one is a patient's first, what intervals become one, what is cut off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from studies.cohorts.definition import DateShift, Pick
from studies.cohorts.expressions import END, NUMBER, PATIENT, START, number_of

# Ibis comes without types: its tables and expressions are Any here.
Expr = Any


def shifted(rows: Expr, shift: DateShift | None) -> Expr:
    if shift is None:
        return rows
    day = {"start": rows[START], "end": rows[END]}
    start = day[shift.start_from] + shift.start_days
    return rows.mutate(**{START: start, END: day[shift.end_from] + shift.end_days})


def dated(rows: Expr, dates: tuple[str, str]) -> Expr:
    import ibis

    fixed = {
        name: ibis.literal(number_of(day), "int64")
        for name, day in zip((START, END), dates, strict=True)
        if day
    }
    return rows.mutate(**fixed) if fixed else rows


def numbered(rows: Expr, order: Sequence[str]) -> Expr:
    """The rows with a number, from 0, that tells those of one patient apart."""
    import ibis

    window = ibis.window(group_by=rows[PATIENT], order_by=[rows[name] for name in order])
    return rows.mutate(**{NUMBER: ibis.row_number().over(window)})


def pick(rows: Expr, pick: Pick) -> Expr:
    """All rows, or each patient's first or last; of one day it is the one with the smallest number."""
    import ibis

    if pick == "all":
        return rows
    start = rows[START] if pick == "first" else ibis.desc(rows[START])
    window = ibis.window(group_by=rows[PATIENT], order_by=[start, rows[NUMBER]])
    ranked = rows.mutate(_rank=ibis.row_number().over(window))
    return ranked.filter(ranked["_rank"] == 0).drop("_rank")


def nearest(pairs: Expr, pick: Pick) -> Expr:
    """Of each index event's related events all, or the first or last; of one day the one with the smallest number."""
    import ibis

    if pick == "all":
        return pairs
    start = pairs[f"_of{START}"] if pick == "first" else ibis.desc(pairs[f"_of{START}"])
    window = ibis.window(group_by=[pairs[PATIENT], pairs[NUMBER]], order_by=[start, pairs[f"_of{NUMBER}"]])
    ranked = pairs.mutate(_rank=ibis.row_number().over(window))
    return ranked.filter(ranked["_rank"] == 0).drop("_rank")


def eras(rows: Expr, gap_days: int) -> Expr:
    """Intervals that overlap, or begin at most `gap_days` after the end of what was before, become one."""
    import ibis

    before = ibis.window(
        group_by=rows[PATIENT], order_by=[rows[START], rows[END]], preceding=(None, 1), following=None
    )
    rows = rows.mutate(_reached=rows[END].max().over(before) + gap_days)
    rows = rows.mutate(_starts=(rows["_reached"] < rows[START]).fill_null(True).cast("int64"))
    until = ibis.window(
        group_by=rows[PATIENT], order_by=[rows[START], rows[END]], preceding=None, following=0
    )
    rows = rows.mutate(_era=rows["_starts"].sum().over(until))
    eras = rows.group_by([PATIENT, "_era"]).aggregate(**{START: rows[START].min(), END: rows[END].max()})
    return eras.select(PATIENT, START, END)


def cut(rows: Expr, window: tuple[str, str]) -> Expr:
    """What lies outside the calendar window is cut off."""
    import ibis

    first, last = window
    if first:
        rows = rows.mutate(**{START: ibis.greatest(rows[START], number_of(first))})
    if last:
        rows = rows.mutate(**{END: ibis.least(rows[END], number_of(last))})
    return rows.filter(rows[START] <= rows[END]) if first or last else rows
