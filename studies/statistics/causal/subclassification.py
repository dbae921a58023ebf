"""Subclasses of the propensity score: strata within which the arms are compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, CannotEstimate, Reason
from studies.statistics import Bools, Floats, Ints
from studies.statistics.causal.cem import Stratified, keep_shared, stratified
from studies.statistics.causal.designs import check_option
from studies.statistics.causal.propensity import both_arms
from studies.statistics.inputs import numbers
from studies.statistics.options import checked

TOO_FEW_FOR_SUBCLASSES = Reason(
    "too_few_for_subclasses",
    "受试者太少，无法使每一层内两组都有足够的人。",
    "There are not enough subjects to have both arms in every subclass.",
)


@checked
def subclassify(
    treated: npt.ArrayLike,
    score: npt.ArrayLike,
    *,
    subclass: int | Sequence[float] = 6,
    min_n: int = 1,
    estimand: Literal["ATT", "ATC", "ATE"] = "ATT",
) -> Stratified:
    """Subclasses cut at quantiles (type 7) of the score (n,) among the estimand's population.

    `subclass` is their number or the probabilities of the cuts. Subclasses with fewer than `min_n` of an
    arm are filled from the nearest ones that have more (as MatchIt does, "scooting"); `min_n=0` drops
    those without both arms instead. Rosenbaum & Rubin (1984); MatchIt method "subclass".
    Raises `CannotEstimate`: bad numbers, one arm, fewer subjects in an arm than the subclasses need.
    """
    arms = both_arms(treated)
    e = numbers(score, "score", len(arms))
    check_option(estimand, ("ATT", "ATC", "ATE"), "estimand")
    if min_n < 0:
        raise CannotEstimate(BAD_ARGUMENT, argument="min_n", allowed="0, 1, 2, ...")
    among = {"ATT": arms, "ATC": ~arms, "ATE": np.ones(len(arms), dtype=bool)}[estimand]
    cuts = np.quantile(e[among], _probabilities(subclass))
    place = np.clip(np.searchsorted(cuts, e, side="right") - 1, 0, len(cuts) - 2)
    _, place = np.unique(place, return_inverse=True)
    place = keep_shared(place, arms) if min_n == 0 else _filled(place, arms, e, min_n)
    return stratified(place, arms, estimand, f"{int(place.max()) + 1} subclasses of the score")


def _probabilities(subclass: int | Sequence[float]) -> Floats:
    if isinstance(subclass, int | np.integer):
        if subclass < 2:
            raise CannotEstimate(BAD_ARGUMENT, argument="subclass", allowed="2, 3, ...")
        return np.linspace(0.0, 1.0, int(subclass) + 1)
    inner = numbers(subclass, "subclass")
    if (inner < 0).any() or (inner > 1).any():
        raise CannotEstimate(BAD_ARGUMENT, argument="subclass", allowed="0 <= probability <= 1")
    return np.unique(np.concatenate([[0.0], inner, [1.0]]))


def _filled(place: Ints, arms: Bools, e: Floats, min_n: int) -> Ints:
    groups = int(place.max()) + 1
    if min(int(arms.sum()), int((~arms).sum())) < groups * min_n:
        raise CannotEstimate(TOO_FEW_FOR_SUBCLASSES)
    place = place.copy()
    for arm in (arms, ~arms):
        rows = np.flatnonzero(arm)
        place[rows] = _filled_arm(place[rows], e[rows], groups, min_n)
    return place


def _filled_arm(place: Ints, e: Floats, groups: int, min_n: int) -> Ints:
    """MatchIt's scooting: the first empty subclass takes the nearest person of the richer side.

    Each round makes sure of one more person per subclass; `spare` counts those beyond the rounds done.
    """
    if len(place) == groups:
        # As many people as subclasses: one each, in row order, as MatchIt deals them.
        return np.arange(groups, dtype=np.intp)
    spare = np.bincount(place, minlength=groups)
    steps = np.arange(groups)
    for _ in range(min_n):
        while (spare == 0).any():
            empty = int(np.flatnonzero(spare == 0)[0])
            worth = np.maximum(spare - 1, 0) / np.maximum(np.abs(steps - empty), 1)
            from_left = empty == groups - 1 or (empty > 0 and worth[:empty].sum() >= worth[empty + 1 :].sum())
            side = steps[:empty] if from_left else steps[empty + 1 :]
            giving = side[spare[side] > 0]
            if len(giving) == 0:
                raise CannotEstimate(TOO_FEW_FOR_SUBCLASSES)
            giver = int(giving.max() if from_left else giving.min())
            inside = np.flatnonzero(place == giver)
            moved = inside[np.argmax(e[inside]) if from_left else np.argmin(e[inside])]
            place[moved] = empty
            spare[empty] = 1
            spare[giver] -= 1
        spare = spare - 1
    return place
