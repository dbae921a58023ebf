"""Greedy nearest-neighbour matching, by a score or by Mahalanobis distance, with a published tie rule.

The rule: focal subjects (the treated for ATT) are taken in `order`, those of equal distance in row order;
each takes the candidate at the smallest distance, and of several at that distance the one with the
lowest row index. With `ratio` k > 1 everybody takes a first match before anybody takes a second, as
MatchIt does. MatchIt 4.5.1 itself does not take the nearest (see `matchit_search`); `search="MatchIt 4.5.1"`
repeats what it does, so that an analysis made with it can be checked.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, CannotEstimate, Reason
from studies.statistics import Bools, Floats, Ints
from studies.statistics.causal.designs import check_option
from studies.statistics.causal.matchit_search import matchit_pairs
from studies.statistics.causal.nearest import Search, nearest_by_score, nearest_by_vector
from studies.statistics.causal.propensity import both_arms
from studies.statistics.causal.weights import effective_sample_size
from studies.statistics.inputs import labels, matrix, numbers
from studies.statistics.options import checked

Order = Literal["largest", "smallest", "random", "data"]
_ORDERS = ("largest", "smallest", "random", "data")

NO_MATCHES = Reason(
    "no_matches",
    "没有找到任何匹配：请放宽卡钳值或精确匹配的条件。",
    "No match was found: widen the caliper or relax the exact constraints.",
)


@dataclass(frozen=True)
class Matched:
    """`pairs` (m, 2): row of the focal subject, row of its match, in order of the focal row and the pass.

    `weights` (n,) are MatchIt's: 1 for a matched focal subject, for a match the sum over its pairs of
    1/(matches of that focal subject), scaled to average 1 among the matches; 0 for those left out.
    `subclass` (n,) is the number of the pair or set from 0, -1 for those left out; without replacement
    only (else None). `mean_distance` is over the pairs, `caliper` in units of the distance.
    """

    pairs: Ints
    weights: Floats
    subclass: Ints | None
    estimand: str
    ratio: int
    replace: bool
    caliper: float | None
    matched_treated: int
    matched_comparator: int
    unmatched_treated: int
    unmatched_comparator: int
    ess_treated: float
    ess_comparator: float
    mean_distance: float
    method: str


@checked
def match_nearest(
    treated: npt.ArrayLike,
    distance: npt.ArrayLike | None = None,
    *,
    x: npt.ArrayLike | None = None,
    ratio: int = 1,
    replace: bool = False,
    caliper: float | None = None,
    std_caliper: bool = True,
    exact: Sequence[Hashable] | npt.ArrayLike | None = None,
    order: Order | None = None,
    estimand: Literal["ATT", "ATC"] = "ATT",
    seed: int | None = None,
    search: Literal["nearest", "MatchIt 4.5.1"] = "nearest",
) -> Matched:
    """Match each focal subject (ATT: the treated) to its `ratio` nearest of the other arm.

    `distance` (n,) is a score - a propensity score, or its logit - and |difference| is the distance;
    with `x` (n, p) the distance is Mahalanobis', by the covariance pooled within arms (Rubin 1980), and
    `distance` only serves `caliper` and `order`. `caliper` is the largest difference in `distance`
    allowed, in sd of `distance` over everybody when `std_caliper` (Austin 2011 advises 0.2 sd of the
    logit). `exact` (n,) allows matches within equal values only. `order` is that of the focal
    subjects' `distance`: "largest" first (the default for ATT; "smallest" for ATC; "data" for
    Mahalanobis), "random" needs `seed`. `replace` lets one candidate serve many.
    `search` is the published rule, or MatchIt 4.5.1's (by score only; its order with replacement is "data").

    By score O(n log n). Raises `CannotEstimate`: bad numbers, one arm, unknown options, no match at all.
    """
    arms = both_arms(treated)
    focal = arms if estimand == "ATT" else ~arms
    score = None if distance is None else rounded(numbers(distance, "distance", len(arms)))
    table = None if x is None else whitened(matrix(x, len(arms)), arms)
    chosen = order or ("data" if table is not None else "largest" if estimand == "ATT" else "smallest")
    _check(score, table, ratio, caliper, chosen, estimand, seed)
    check_option(search, ("nearest",) if table is not None else ("nearest", "MatchIt 4.5.1"), "search")
    as_matchit = search != "nearest"
    if as_matchit and replace:
        chosen = "data"
    width = None
    if caliper is not None and score is not None:
        width = caliper * float(score.std(ddof=1)) if std_caliper else caliper
    groups = np.zeros(len(arms), dtype=np.intp) if exact is None else labels(exact, "exact", len(arms)).codes
    turn = _in_order(score, focal, chosen, seed)
    found = []
    for group in np.unique(groups[focal]):
        there = np.flatnonzero(~focal & (groups == group))
        if len(there):
            one = Search(turn[groups[turn] == group], there, ratio, replace, width)
            found.append(_pairs(one, table, score, as_matchit))
    pairs = np.concatenate(found) if found else np.zeros((0, 2), dtype=np.intp)
    if len(pairs) == 0:
        raise CannotEstimate(NO_MATCHES)
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    kind = "Mahalanobis distance" if table is not None else "score"
    how = f"{ratio}:1 nearest neighbour on {kind}, {'with' if replace else 'without'} replacement"
    limit = "no caliper" if width is None else f"caliper {width:.6g}"
    rule = "search of MatchIt 4.5.1" if as_matchit else "ties to the lowest row"
    method = f"{how}, order {chosen}, {limit}; {rule}"
    apart = _distances(pairs, score, table)
    return _matched(pairs, arms, focal, estimand, ratio, replace, width, apart, method)


def rounded(score: Floats) -> Floats:
    """Scores to 44 binary digits, so that equal covariates have equal scores on every machine."""
    largest = float(np.abs(score).max())
    if largest == 0:
        return score
    # A power of 2: whole numbers and halves stay exactly what they are.
    step = 2.0 ** (np.ceil(np.log2(largest)) - 44)
    return np.asarray(np.round(score / step) * step)


def whitened(x: Floats, arms: Bools) -> Floats:
    """x (n, p) in coordinates in which Mahalanobis distance is Euclidean.

    The covariance is pooled within arms, divisor n - 2 (MatchIt); dependent columns are dropped by the
    generalised inverse. Raises `CannotEstimate` when no column varies.
    """
    spread = x.std(axis=0, ddof=1) if len(x) > 1 else np.zeros(x.shape[1])
    varying = spread > 1e-12 * np.maximum(1.0, np.abs(x).max(axis=0, initial=0.0))
    if not varying.any():
        raise CannotEstimate(BAD_ARGUMENT, argument="x", allowed="columns that vary")
    table = (x[:, varying] - x[:, varying].mean(axis=0)) / spread[varying]
    centred = table.copy()
    for arm in (arms, ~arms):
        centred[arm] -= centred[arm].mean(axis=0)
    covariance = centred.T @ centred / max(len(x) - 2, 1)
    values, vectors = np.linalg.eigh(covariance)
    firm = values > 1e-8 * values.max()
    return np.asarray(table @ (vectors[:, firm] / np.sqrt(values[firm])))


def match_weights(pairs: Ints, focal: Bools) -> Floats:
    """MatchIt's weights (n,) from pairs (m, 2): see `Matched.weights`."""
    each = np.bincount(pairs[:, 0], minlength=len(focal))
    weights = np.bincount(pairs[:, 1], 1.0 / each[pairs[:, 0]], len(focal))
    weights *= (weights > 0).sum() / weights.sum()
    weights[focal] = each[focal] > 0
    return np.asarray(weights)


def _check(
    score: Floats | None,
    table: Floats | None,
    ratio: int,
    caliper: float | None,
    order: str,
    estimand: str,
    seed: int | None,
) -> None:
    check_option(estimand, ("ATT", "ATC"), "estimand")
    check_option(order, _ORDERS, "order")
    if score is None and table is None:
        raise CannotEstimate(BAD_ARGUMENT, argument="distance, x", allowed="one of the two")
    if score is None and (caliper is not None or order in ("largest", "smallest")):
        raise CannotEstimate(BAD_ARGUMENT, argument="distance", allowed="needed for caliper and order")
    if ratio < 1 or ratio != int(ratio):
        raise CannotEstimate(BAD_ARGUMENT, argument="ratio", allowed="1, 2, ...")
    if caliper is not None and not (np.isfinite(caliper) and caliper > 0):
        raise CannotEstimate(BAD_ARGUMENT, argument="caliper", allowed="> 0")
    if order == "random" and seed is None:
        raise CannotEstimate(BAD_ARGUMENT, argument="seed", allowed="an integer, with order random")


def _pairs(search: Search, table: Floats | None, score: Floats | None, as_matchit: bool) -> Ints:
    if table is not None:
        return nearest_by_vector(search, table, score)
    if score is None:
        raise CannotEstimate(BAD_ARGUMENT, argument="distance, x", allowed="one of the two")
    return matchit_pairs(search, score) if as_matchit else nearest_by_score(search, score)


def _in_order(score: Floats | None, focal: Bools, order: str, seed: int | None) -> Ints:
    rows = np.flatnonzero(focal)
    if order == "random":
        return np.random.default_rng(seed).permutation(rows)
    if order == "data" or score is None:
        return rows
    key = score[rows] if order == "smallest" else -score[rows]
    return rows[np.argsort(key, kind="stable")]


def _distances(pairs: Ints, score: Floats | None, table: Floats | None) -> Floats:
    if table is not None:
        return np.asarray(np.sqrt(((table[pairs[:, 0]] - table[pairs[:, 1]]) ** 2).sum(axis=1)))
    return np.abs(score[pairs[:, 0]] - score[pairs[:, 1]]) if score is not None else np.zeros(len(pairs))


def _matched(
    pairs: Ints,
    arms: Bools,
    focal: Bools,
    estimand: str,
    ratio: int,
    replace: bool,
    caliper: float | None,
    apart: Floats,
    method: str,
) -> Matched:
    weights = match_weights(pairs, focal)
    subclass = None
    if not replace:
        subclass = np.full(len(arms), -1, dtype=np.intp)
        _, number = np.unique(pairs[:, 0], return_inverse=True)
        subclass[pairs[:, 0]] = number
        subclass[pairs[:, 1]] = number
    used = weights > 0
    return Matched(
        pairs=pairs,
        weights=weights,
        subclass=subclass,
        estimand=estimand,
        ratio=ratio,
        replace=replace,
        caliper=caliper,
        matched_treated=int((used & arms).sum()),
        matched_comparator=int((used & ~arms).sum()),
        unmatched_treated=int((~used & arms).sum()),
        unmatched_comparator=int((~used & ~arms).sum()),
        ess_treated=effective_sample_size(weights[arms]),
        ess_comparator=effective_sample_size(weights[~arms]),
        mean_distance=float(apart.mean()),
        method=method,
    )
