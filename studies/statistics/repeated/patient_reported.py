"""Patient-reported outcomes: responders, time to deterioration, and the distribution of change.

The minimal important difference is data, given by the caller with its source; so is the direction of the scale.
Utilities (EQ-5D) need a country's value set and are not computed here.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, LENGTHS_DIFFER, NO_SUBJECTS, NOT_A_NUMBER, CannotEstimate
from studies.statistics import Bools, Floats
from studies.statistics.inputs import Labels, labels, numbers
from studies.statistics.options import checked

Better = Literal["higher", "lower"]
Definition = Literal["first", "confirmed", "definitive"]
_DEFINITIONS = ("first", "confirmed", "definitive")


@dataclass(frozen=True)
class Responders:
    """For each of n subjects: change (n,) from baseline, positive is better, NaN where it cannot be known;
    `improved`, `worsened` (n,) by at least the minimal important difference, False where unknown; `known` (n,).
    """

    change: Floats
    improved: Bools
    worsened: Bools
    known: Bools
    method: str


@checked
def responders(
    baseline: npt.ArrayLike,
    value: npt.ArrayLike,
    *,
    minimal_important_difference: float,
    better: Better,
    lost_is_failure: bool = False,
) -> Responders:
    """Who changed by at least the minimal important difference (MID).

    baseline, value (n,), NaN where missing; `better` says whether a higher or lower score is better. With
    `lost_is_failure` a subject without a value counts as known and not improved (non-responder imputation).
    Raises `CannotEstimate` for a MID that is not above 0, unequal lengths, and no subjects.
    """
    sign = _sign(better)
    limit = _mid(minimal_important_difference)
    start, end = _scores(baseline, "baseline"), _scores(value, "value")
    if len(start) != len(end):
        raise CannotEstimate(LENGTHS_DIFFER, variable="value")
    change = sign * (end - start)
    known = np.isfinite(change)
    moved = np.where(known, change, 0.0)
    # Scores are sums of small numbers: a change of the MID itself must count in spite of rounding.
    room = 1e-9 * max(limit, 1.0)
    return Responders(
        change=change,
        improved=moved >= limit - room,
        worsened=moved <= -limit + room,
        known=known | lost_is_failure,
        method=f"Change from baseline of at least {limit:g} ({better} is better)"
        + ("; without a value: not improved" if lost_is_failure else ""),
    )


@dataclass(frozen=True)
class Deterioration:
    """time (subjects,) and event (subjects,) for a survival analysis; subjects (subjects,) their labels."""

    subjects: tuple[Hashable, ...]
    time: Floats
    event: Bools
    method: str


@checked
def time_to_deterioration(
    subject: Sequence[Hashable] | npt.ArrayLike,
    time: npt.ArrayLike,
    value: npt.ArrayLike,
    *,
    minimal_important_difference: float,
    better: Better,
    definition: Definition = "first",
) -> Deterioration:
    """When a subject got worse than at baseline by at least the MID (Anota et al. 2015, Qual Life Res 24:5).

    subject, time, value (n,), one row for each assessment; the first one of a subject, at time 0, is the
    baseline; rows with a missing value are left out. Definitions: "first", the first assessment that is worse;
    "confirmed", also worse at the next assessment, or worse at the last one; "definitive", worse from then on
    at all later assessments. Others are censored at the last assessment (0 where there is only a baseline).
    Subjects without a baseline value at time 0 are refused (leave them out, and say so), as are two
    assessments at one time, negative times and a MID that is not above 0.
    """
    limit, sign = _mid(minimal_important_difference), _sign(better)
    if definition not in _DEFINITIONS:
        raise CannotEstimate(BAD_ARGUMENT, argument="definition", allowed=", ".join(_DEFINITIONS))
    when = numbers(time, "time")
    score = _scores(value, "value")
    if len(score) != len(when):
        raise CannotEstimate(LENGTHS_DIFFER, variable="value")
    who = labels(subject, "subject", len(when))
    kept = np.isfinite(score)
    order = np.lexsort((when[kept], who.codes[kept]))
    code, at, level = who.codes[kept][order], when[kept][order], sign * score[kept][order]
    first = _baselines(code, at, len(who))
    worse = level - level[first[code]] <= -limit + 1e-9 * max(limit, 1.0)
    hit = _hits(code, worse, definition)
    return Deterioration(
        subjects=who.levels,
        time=_first_times(code, at, hit, who),
        event=np.bincount(code[hit], minlength=len(who)) > 0,
        method=f"Time to {definition} deterioration by at least {limit:g} ({better} is better), censored at the "
        "last assessment",
    )


@dataclass(frozen=True)
class ChangeCurve:
    """The empirical distribution of change in one arm: `share` (k,) of the subjects changed by `change` (k,) or
    more (positive is better)."""

    arm: Hashable
    change: Floats
    share: Floats
    n: int


def change_curves(change: npt.ArrayLike, arm: Sequence[Hashable] | npt.ArrayLike) -> tuple[ChangeCurve, ...]:
    """Cumulative distributions of change for each arm, which show every threshold for a responder at once.

    change (n,), positive is better, NaN (unknown) left out; arm (n,) labels. Raises `CannotEstimate` for an arm
    without any known change.
    """
    values = _scores(change, "change")
    groups = labels(arm, "arm", len(values))
    found = []
    for k, level in enumerate(groups.levels):
        mine = values[(groups.codes == k) & np.isfinite(values)]
        if len(mine) == 0:
            raise CannotEstimate(NO_SUBJECTS)
        steps, counts = np.unique(mine, return_counts=True)
        found.append(ChangeCurve(level, steps, counts[::-1].cumsum()[::-1] / len(mine), len(mine)))
    return tuple(found)


def _sign(better: str) -> float:
    if better not in ("higher", "lower"):
        raise CannotEstimate(BAD_ARGUMENT, argument="better", allowed="higher, lower")
    return 1.0 if better == "higher" else -1.0


def _mid(value: float) -> float:
    if not (np.isfinite(value) and value > 0):
        raise CannotEstimate(BAD_ARGUMENT, argument="minimal_important_difference", allowed="above 0")
    return float(value)


def _scores(values: npt.ArrayLike, name: str) -> Floats:
    try:
        column = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as not_numbers:
        raise CannotEstimate(NOT_A_NUMBER, variable=name) from not_numbers
    if column.ndim != 1 or np.isinf(column).any():
        raise CannotEstimate(NOT_A_NUMBER, variable=name)
    if len(column) == 0:
        raise CannotEstimate(NO_SUBJECTS)
    return column


def _baselines(code: npt.NDArray[np.intp], at: Floats, subjects: int) -> npt.NDArray[np.intp]:
    """The row of each subject's baseline: the first, at time 0."""
    size = np.bincount(code, minlength=subjects)
    if (at < 0).any() or (size == 0).any():
        raise CannotEstimate(
            BAD_ARGUMENT, argument="time", allowed="0 at the baseline of every subject, then above 0"
        )
    first = np.concatenate([[0], np.cumsum(size)[:-1]])
    again = (code[1:] == code[:-1]) & (at[1:] == at[:-1])
    if (at[first] != 0).any() or again.any():
        raise CannotEstimate(
            BAD_ARGUMENT, argument="time", allowed="0 at the baseline of every subject, then above 0"
        )
    return np.asarray(first)


def _hits(code: npt.NDArray[np.intp], worse: Bools, definition: Definition) -> Bools:
    if definition == "first":
        return worse
    ends = np.append(code[1:] != code[:-1], True)
    if definition == "confirmed":
        return np.asarray(worse & (ends | np.append(worse[1:], True)))
    # Worse here and at every later assessment: count the better ones after each row, within the subject.
    better = (~worse).astype(np.intp)
    total = np.cumsum(better)
    last = np.flatnonzero(ends)
    until = total[last][np.searchsorted(last, np.arange(len(code)))]
    return np.asarray(worse & (until == total))


def _first_times(code: npt.NDArray[np.intp], at: Floats, hit: Bools, who: Labels) -> Floats:
    last = np.zeros(len(who))
    np.maximum.at(last, code, at)
    first = np.full(len(who), np.inf)
    np.minimum.at(first, code[hit], at[hit])
    return np.where(np.isfinite(first), first, last)
