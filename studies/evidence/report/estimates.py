"""Cells whose limits may not exist: a time that is not reached, and a share before anything has happened."""

from __future__ import annotations

from rwd_platform.core.text import Bilingual
from studies.evidence.report.context import Context
from studies.evidence.tables import NONE, Cell, Result, interval


def quantile(context: Context, ard_id: str, form: str = "int") -> Cell:
    """`411 (376–not reached)`: the upper limit, or all three, may not be reached.

    A lower limit that does not exist beside an estimate has no error to be made of: everybody left on one day.
    """
    row = context.row(ard_id)
    if row is None or row.ci_low is not None:
        return interval(ard_id, form)
    if row.value is None:
        return Result(ard_id, form)
    return [Result(ard_id, form), _said(context, "no_limits")]


def share(context: Context, ard_id: str, start: float, form: str = "percent.1") -> Cell:
    """`95.0% (85.2%–98.3%)`; the share at the curve's `start` (1, or 0) without limits, and why there are none.

    Before the first event the error is not nought, it is not known: `100% (100%–100%)` would look like certainty.
    """
    row = context.row(ard_id)
    if row is None or row.value is None:
        return NONE
    if row.value == start and {row.ci_low, row.ci_high} <= {None, start}:
        return [Result(ard_id, form), _said(context, "no_event_yet")]
    if row.ci_low is None or row.ci_high is None:
        return [Result(ard_id, form), _said(context, "no_limits")]
    return interval(ard_id, form)


def _said(context: Context, key: str) -> Bilingual:
    """In brackets behind a number: Chinese ones bring their own room."""
    label = context.label(f"estimate.{key}")
    return Bilingual(label.zh, f" {label.en}")
