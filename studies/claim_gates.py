"""The gates one by one: what is looked at, and when it passes. Which level is left is in claims.toml."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from studies.planned import PlannedAnalysis
from studies.protocol import ARMS, EXPOSED, Protocol
from studies.results import ArdRow
from studies.statistics.probability import normal_quantile

Status = Literal["passed", "failed", "not_evaluated", "not_applicable"]
# Two-sided 5 % and a power of 80 %: the sum of the two normal quantiles.
_DETECTION = normal_quantile(0.95) + 0.8416212335729143
LEAST_POWER = 0.8
CONFLICT = 0.05


@dataclass(frozen=True)
class Finding:
    """What a gate saw. `measured` and `limit` are None where there is no number to give."""

    status: Status
    measured: float | None = None
    limit: float | None = None


@dataclass(frozen=True)
class Judged:
    """An analysis, and all rows of the run that it belongs to."""

    protocol: Protocol
    analysis: PlannedAnalysis
    rows: Mapping[str, ArdRow]
    not_done: Mapping[str, str]

    def number(self, id: str) -> float | None:
        row = self.rows.get(id)
        return float(row.value) if row is not None and isinstance(row.value, int | float) else None

    def own(self, what: str) -> float | None:
        return self.number(f"{self.analysis.id}.{what}")

    def beside(self, method: str) -> Iterator[PlannedAnalysis]:
        """The other analyses of that method on the same population."""
        for one in self.protocol.analyses:
            if one.method == method and one.population == self.analysis.population:
                yield one

    @property
    def weighted(self) -> bool:
        return self.analysis.weights != "none"


def _at_most(measured: float | None, limit: float | None) -> Finding:
    if measured is None or limit is None:
        return Finding("not_evaluated", measured, limit)
    return Finding("passed" if measured <= limit else "failed", measured, limit)


def _at_least(measured: float | None, limit: float | None) -> Finding:
    if measured is None or limit is None:
        return Finding("not_evaluated", measured, limit)
    return Finding("passed" if measured >= limit else "failed", measured, limit)


def role(judged: Judged) -> Finding:
    return Finding("passed" if judged.analysis.role == "primary" else "failed")


def knowledge(judged: Judged) -> Finding:
    known = judged.protocol.outcomes_known
    if known is None:
        return Finding("not_evaluated")
    return Finding("passed" if known == "no" else "failed")


def control(judged: Judged) -> Finding:
    """An RMST is of the crude curves, and so are cumulative incidences and Gray's test."""
    controlled = judged.analysis.method == "cox" and bool(judged.analysis.covariates)
    return Finding("passed" if controlled else "failed")


def agreement(judged: Judged) -> Finding | None:
    """Of a controlled analysis: all that control exclude 1 on the same side. One alone cannot agree with itself."""
    if not judged.analysis.covariates:
        return None
    exposure = judged.protocol.exposure.name
    looks = []
    for one in judged.beside("cox"):
        row = judged.rows.get(f"{one.id}.{exposure}.hazard_ratio")
        if one.covariates and row is not None:
            looks.append(_look(row))
    if len(looks) < 2:
        return Finding("not_evaluated")
    return Finding("passed" if len(set(looks)) == 1 and looks[0] != "unclear" else "failed")


def _look(row: ArdRow) -> str:
    if row.ci_low is not None and row.ci_low > 1:
        return "above"
    return "below" if row.ci_high is not None and row.ci_high < 1 else "unclear"


def balance(judged: Judged) -> Finding | None:
    """By the planned balance of the same weights: those made of other covariates are other weights."""
    if not judged.weighted:
        return None
    analysis = judged.analysis
    for one in judged.beside("balance"):
        if one.weights != analysis.weights or set(analysis.covariates) != set(one.covariates):
            continue
        found = [
            abs(float(row.value))
            for row in judged.rows.values()
            if row.analysis == one.id
            and row.statistic == "smd_weighted"
            and isinstance(row.value, int | float)
        ]
        limit = judged.number(f"{one.id}.smd_limit")
        return _at_most(max(found, default=None), limit)
    return Finding("not_evaluated")


def overlap(judged: Judged) -> Finding | None:
    """Also of an adjusted model: where the arms do not overlap it extrapolates.

    By the score of the same covariates. The share in equipoise is of the score alone, whatever weights are made of it.
    """
    if not judged.analysis.covariates:
        return None
    limit = judged.protocol.diagnostics.smallest_equipoise
    for one in judged.beside("overlap"):
        if set(judged.analysis.covariates) == set(one.covariates):
            return _at_least(judged.number(f"{one.id}.equipoise_share"), limit)
    return Finding("not_evaluated", limit=limit)


def effective_sample(judged: Judged) -> Finding | None:
    """The smaller of the arms; of a bridging, that of the matched series."""
    limit = judged.protocol.diagnostics.smallest_effective_sample
    if judged.analysis.method == "bridging":
        return _at_least(judged.own("effective_sample_size"), limit)
    if not judged.weighted:
        return None
    sizes = [judged.own(f"{arm}.effective_sample_size") for arm in ARMS]
    known = [size for size in sizes if size is not None]
    return _at_least(min(known) if len(known) == len(ARMS) else None, limit)


def weights(judged: Judged) -> Finding | None:
    if not judged.weighted:
        return None
    shares = [judged.own(f"{arm}.largest_weight_share") for arm in ARMS]
    known = [share for share in shares if share is not None]
    return _at_most(
        max(known) if len(known) == len(ARMS) else None, judged.protocol.diagnostics.largest_weight
    )


def hazards(judged: Judged) -> Finding:
    """A crude RMST says nothing of an adjusted hazard ratio: it has to be the same comparison, and not an aside."""
    limit = judged.protocol.diagnostics.ph_alpha
    for one in judged.beside("rmst"):
        if _same_comparison(one, judged.analysis) and f"{one.id}.difference" in judged.rows:
            return Finding("passed")
    return _at_least(judged.own(f"ph.{judged.protocol.exposure.name}.p_value"), limit)


def _same_comparison(one: PlannedAnalysis, other: PlannedAnalysis) -> bool:
    """The same control of confounding, planned as a result of its own (there can be one primary analysis only)."""
    covariates = set(one.covariates) == set(other.covariates)
    rest = one.weights == other.weights and one.strata == other.strata
    return covariates and rest and one.role in ("primary", "secondary")


def detectable(judged: Judged) -> Finding:
    """exp(-(z + z) / sqrt(D p q)): the hazard ratio below 1 that D events would show (Schoenfeld 1983, eq. 1)."""
    limit = judged.protocol.diagnostics.detectable_ratio
    row = _effect_row(judged)
    sizes = [judged.number(f"{judged.analysis.id}.{arm}.subjects") for arm in ARMS]
    if row is None or not row.events or any(size is None for size in sizes):
        return Finding("not_evaluated", limit=limit)
    exposed = float(sizes[ARMS.index(EXPOSED)] or 0) / sum(float(size or 0) for size in sizes)
    spread = row.events * exposed * (1 - exposed)
    return _at_least(math.exp(-_DETECTION / math.sqrt(spread)) if spread > 0 else None, limit)


def _effect_row(judged: Judged) -> ArdRow | None:
    exposure = judged.protocol.exposure.name
    for what in (f"{exposure}.hazard_ratio", "difference"):
        if (row := judged.rows.get(f"{judged.analysis.id}.{what}")) is not None:
            return row
    return None


def calibration(_: Judged) -> Finding:
    """No planned analysis estimates systematic error yet: never passed."""
    return Finding("not_evaluated")


def loss(judged: Judged) -> Finding:
    return _at_most(judged.own("lost_share"), judged.protocol.diagnostics.largest_loss)


def worst_case(judged: Judged) -> Finding:
    """Both are 1 where the criterion is met and 0 where it is not. A main analysis that is the worst case already would
    agree with itself.
    """
    if judged.analysis.lost == "as_failure":
        return Finding("not_applicable")
    planned, worst = judged.own("met"), judged.own("worst_case.met")
    if planned is None or worst is None:
        return Finding("not_evaluated")
    return Finding("passed" if planned == worst else "failed")


def power(judged: Judged) -> Finding:
    return _at_least(judged.own("power"), LEAST_POWER)


def anchored(_: Judged) -> Finding:
    """A series without a comparator arm has nothing to be anchored by."""
    return Finding("failed")


def factors(judged: Judged) -> Finding:
    missing = len(judged.analysis.missing_factors)
    return Finding("failed" if missing else "passed", float(missing), 0.0)


def conflict(judged: Judged) -> Finding:
    return _at_least(judged.own("prior_predictive_p"), CONFLICT)


def type_one_error(judged: Judged) -> Finding:
    criterion = judged.analysis.criterion
    return _at_most(judged.own("type_one_error"), criterion.alpha if criterion else None)


GATES: Mapping[str, Callable[[Judged], Finding | None]] = {
    one.__name__: one
    for one in (
        role, knowledge, control, agreement, balance, overlap, effective_sample, weights, hazards, detectable,
        calibration, loss, worst_case, power, anchored, factors, conflict, type_one_error,
    )
}  # fmt: skip
