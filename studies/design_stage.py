"""What a plan would do in the long run, from the protocol alone: to be looked at before it is frozen.

No row of data goes in. For a performance criterion: the critical count, the power at the share that was
assumed, and the number of subjects that 80 % takes. For borrowing: at each true share, how often one would
claim that the criterion is beaten - at the criterion itself that is the type I error.
"""

from __future__ import annotations

from dataclasses import dataclass

from rwd_platform.core.text import Bilingual
from studies.analyses.borrowing import characteristics, lines, planned, prior_of
from studies.analyses.performance_criterion import PLANNED_POWER, goal_of
from studies.planned import Direction, PlannedAnalysis
from studies.protocol import Protocol
from studies.reasons import CannotEstimate, Reason
from studies.statistics.bridging.effective_size import ess_elir
from studies.statistics.counts.criterion_power import criterion_power, criterion_sample_size

SIZE_NOT_SAID = Reason(
    "size_not_said",
    "方案没有写明计划样本量（subjects），无法给出设计的运行特征。",
    "The protocol does not say how many subjects are planned (subjects): its characteristics cannot be shown.",
)


@dataclass(frozen=True)
class CriterionDesign:
    """direction -- whether the share of successes has to be at_least, or that of failures at_most, the criterion;
    critical -- successes (at_least) or failures (at_most) that meet the criterion, None: no count does;
    power, needed -- at the share that the protocol assumed; None where it assumed none. type_one_error is exact.
    """

    analysis: str
    title: Bilingual
    subjects: int
    criterion: float
    alpha: float
    direction: Direction
    critical: int | None
    type_one_error: float
    assumed: float | None
    power: float | None
    needed: int | None


@dataclass(frozen=True)
class BorrowingDesign:
    """points -- (true share, probability of the claim, bias, mean squared error, coverage), exact."""

    analysis: str
    title: Bilingual
    subjects: int
    criterion: float
    alpha: float
    prior_effective_size: float
    type_one_error: float
    points: tuple[tuple[float, float, float, float, float], ...]

    @property
    def inflated(self) -> bool:
        """Borrowing claims more often than the one-sided alpha when the true share is the criterion."""
        return self.type_one_error > self.alpha


@dataclass(frozen=True)
class NoDesign:
    """Why nothing can be shown for a planned analysis."""

    analysis: str
    title: Bilingual
    reason: Bilingual


Design = CriterionDesign | BorrowingDesign | NoDesign


def designs_of(protocol: Protocol) -> tuple[Design, ...]:
    """One for each planned performance criterion and borrowing, in the protocol's order."""
    found: list[Design] = []
    for analysis in protocol.analyses:
        try:
            if analysis.method == "performance_criterion":
                found.append(_criterion(analysis))
            elif analysis.method == "borrowing":
                found.append(_borrowing(analysis, protocol))
        except CannotEstimate as reason:
            found.append(NoDesign(analysis.id, analysis.title, reason.text))
    return tuple(found)


def _criterion(analysis: PlannedAnalysis) -> CriterionDesign:
    criterion = analysis.criterion
    if criterion is None or not analysis.subjects:
        raise CannotEstimate(SIZE_NOT_SAID)
    goal = goal_of(criterion)
    assumed = criterion.assumed
    at = criterion_power(
        analysis.subjects, criterion.value if assumed is None else assumed, goal, alpha=criterion.alpha
    )
    needed = None
    if assumed is not None:
        needed = criterion_sample_size(assumed, goal, power=PLANNED_POWER, alpha=criterion.alpha).n
    return CriterionDesign(
        analysis=analysis.id,
        title=analysis.title,
        subjects=analysis.subjects,
        criterion=criterion.value,
        alpha=criterion.alpha,
        direction=criterion.direction,
        critical=at.critical,
        type_one_error=at.size,
        assumed=assumed,
        power=None if assumed is None else at.power,
        needed=needed,
    )


def _borrowing(analysis: PlannedAnalysis, protocol: Protocol) -> BorrowingDesign:
    if not analysis.subjects:
        raise CannotEstimate(SIZE_NOT_SAID)
    borrowing, criterion, series = planned(analysis, protocol.overseas_series)
    prior = prior_of(borrowing, series)
    found = characteristics(prior, analysis.subjects, criterion, borrowing)
    assert found.max_type_1 is not None  # noqa: S101 - the criterion itself is among the true values
    return BorrowingDesign(
        analysis=analysis.id,
        title=analysis.title,
        subjects=analysis.subjects,
        criterion=criterion.value,
        alpha=criterion.alpha,
        prior_effective_size=ess_elir(prior),
        type_one_error=found.max_type_1,
        points=tuple(lines(found)),
    )
