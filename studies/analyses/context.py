"""What every analysis needs: the people of its population, weights, and a pen that writes result rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

import numpy as np
import pandas as pd

from rwd_platform.core.canonical import rows_sha256
from rwd_platform.core.columns import SUBJECT_ID
from studies.adverse_events import NOT_IN_FRAME
from studies.analyses.weighting import Weighting, weighting
from studies.dataset import StudyDataset
from studies.design import design
from studies.outcome import EVENT, TIME
from studies.planned import PlannedAnalysis
from studies.populations import restricted
from studies.protocol import ARMS, EXPOSED, Protocol
from studies.reasons import NO_SUBJECTS, NOT_ESTIMABLE, ONE_ARM, CannotEstimate
from studies.results import ArdRow, Series, Value
from studies.statistics import ENGINE, ENGINE_VERSION, Bools, Floats
from studies.statistics.causal.propensity import propensity_score
from studies.statistics.probability import CI_LEVEL

# R stops a logistic fit at 1e-8; overlap weights balance the means only as exactly as the score is fitted.
EXACT = 1e-12
SIGNIFICANT_DIGITS = 12  # the last bits of a double depend on the machine's linear algebra; these do not


@dataclass(frozen=True)
class Subset:
    """The people of one population, in the order of subject_id."""

    population: str
    frame: pd.DataFrame
    exposed: Bools
    days: Floats
    event: Bools
    is_kept: bool = True  # whether its scores are asked for again

    def arm(self, arm: str) -> Bools:
        return self.exposed if arm == EXPOSED else ~self.exposed

    @property
    def sizes(self) -> tuple[int, int]:
        """How many are exposed, and how many are not."""
        exposed = int(self.exposed.sum())
        return exposed, len(self.exposed) - exposed

    def require_both_arms(self) -> None:
        if self.exposed.all() or not self.exposed.any():
            raise CannotEstimate(ONE_ARM)


@dataclass(frozen=True)
class Done:
    """What an analysis gave. `not_done` are its parts that could not be estimated, by id."""

    rows: tuple[ArdRow, ...]
    series: tuple[Series, ...] = ()
    not_done: tuple[tuple[str, str], ...] = ()


@dataclass
class Context:
    """One run: the dataset, the protocol, and what was computed already."""

    dataset: StudyDataset
    protocol: Protocol
    finished: dict[str, Done] = field(default_factory=dict)
    not_done: dict[str, str] = field(default_factory=dict)
    row_sets: dict[str, list[str]] = field(default_factory=dict)
    _hashes: dict[tuple[str, tuple[str, ...]], str] = field(default_factory=dict)
    _scores: dict[tuple[str, tuple[str, ...]], Floats] = field(default_factory=dict)

    def subset(self, population: str) -> Subset:
        """Raises `CannotEstimate` where nobody is in the population."""
        frame = restricted(self.dataset.frame, self.protocol.population(population))
        if frame.empty:
            raise CannotEstimate(NO_SUBJECTS)
        exposed = frame[self.dataset.exposure].to_numpy(dtype=bool)
        ids = frame[SUBJECT_ID].to_numpy(dtype=object)
        subset = Subset(
            population,
            frame,
            exposed,
            frame[TIME].to_numpy(dtype=float),
            frame[EVENT].to_numpy(dtype=bool),
        )
        self.row_sets[population] = sorted(ids)
        for arm in ARMS:
            self.row_sets[f"{population}.{arm}"] = sorted(ids[subset.arm(arm)])
        return subset

    def score(self, subset: Subset, covariates: tuple[str, ...]) -> Floats:
        """The propensity score of everybody in the subset."""
        key = (subset.population, covariates)
        if subset.is_kept and key in self._scores:
            return self._scores[key]
        model = design(subset.frame, self.protocol, covariates, exposure=False)
        score = propensity_score(subset.exposed, model.x, names=model.columns, epsilon=EXACT).score
        if subset.is_kept:
            self._scores[key] = score
        return score

    def weights(self, subset: Subset, analysis: PlannedAnalysis) -> Floats | None:
        """The weights that the analysis plans, or None."""
        made = self.weighting(subset, analysis)
        return None if made is None else made.values

    def weighting(self, subset: Subset, analysis: PlannedAnalysis) -> Weighting | None:
        """The weights that the analysis plans, with the pairs that were matched; None where it plans none."""
        if analysis.weights == "none":
            return None
        covariates = analysis.covariates
        return weighting(
            analysis.weights,
            subset.exposed,
            lambda: self.score(subset, covariates),
            lambda: design(subset.frame, self.protocol, covariates, exposure=False),
        )

    def data_hash(self, row_set: str, variables: tuple[str, ...]) -> str:
        """The hash of the rows that went in: subject and the variables, nothing else."""
        key = (row_set, variables)
        if key not in self._hashes:
            frame = self.dataset.frame
            chosen = frame[frame[SUBJECT_ID].isin(self.row_sets[row_set])]
            columns = [SUBJECT_ID, *(one for one in variables if one not in NOT_IN_FRAME)]
            # tolist() gives Python's own numbers, which is what canonical JSON is defined for.
            values = zip(*(chosen[column].tolist() for column in columns), strict=True)
            rows = [dict(zip(columns, row, strict=True)) for row in values]
            if held := self.dataset.adverse_events:
                rows += held.rows_of(self.row_sets[row_set], variables)
            self._hashes[key] = rows_sha256(rows)
        return self._hashes[key]

    def variables(self, analysis: PlannedAnalysis, *more: str) -> tuple[str, ...]:
        """The analysis variables: those named, the covariates, and those that chose the population."""
        chosen_by = (
            [one.covariate for one in self.protocol.population(analysis.population).restrictions]
            if analysis.population
            else []
        )
        return tuple(dict.fromkeys([self.dataset.exposure, *more, *analysis.covariates, *chosen_by]))


class Counts(TypedDict):
    """What stands behind a number."""

    n: int
    events: int


class Pen:
    """Writes the rows of one analysis. What is common to them is said once.

    The id of a row is its analysis, section, variable, arm, statistic and key, joined by dots. With `arm`
    every row rests on that arm's subjects alone, also where its id does not name it.
    """

    def __init__(
        self,
        context: Context,
        analysis: str,
        row_set: str,
        variables: tuple[str, ...],
        method: str,
        engine: str = ENGINE,
        engine_version: str = ENGINE_VERSION,
        arm: str = "",
    ) -> None:
        self._context, self._arm = context, arm
        self.analysis = analysis
        self._row_set, self._variables = row_set, variables
        self._method, self._engine, self._engine_version = method, engine, engine_version
        self.rows: list[ArdRow] = []

    def write(
        self,
        statistic: str,
        value: Value,
        *,
        section: str = "",
        variable: str = "",
        group: str = "",
        unit: str = "",
        limits: tuple[float | None, float | None] | None = None,
        level: float = CI_LEVEL,
        n: int | None = None,
        events: int | None = None,
        warnings: Sequence[str] = (),
        method: str = "",
        key: str = "",
        decimals: int | None = None,
    ) -> ArdRow:
        """Add a row. A number that is not finite is no result: raises `CannotEstimate`.

        `group` is an arm: the row then describes that arm's subjects. `key` follows the statistic in
        the id (`day_365`). `decimals` rounds a number whose true value may be 0.
        """
        arm = group if group in ARMS else self._arm
        row_set = f"{self._row_set}.{arm}" if arm else self._row_set
        low, high = limits if limits is not None else (None, None)
        parts = [self.analysis, section, variable, group, statistic, key]
        row = ArdRow(
            id=".".join(part for part in parts if part),
            analysis=self.analysis,
            method=method or self._method,
            group=group,
            variable=variable,
            statistic=statistic,
            value=_tidy(value, statistic, decimals),
            unit=unit,
            ci_low=_tidy_limit(low, statistic),
            ci_high=_tidy_limit(high, statistic),
            ci_level=level if limits is not None else None,
            n=n,
            events=events,
            variables=self._variables,
            row_set=row_set,
            data_hash=self._context.data_hash(row_set, self._variables),
            engine=self._engine,
            engine_version=self._engine_version,
            warnings=tuple(warnings),
        )
        self.rows.append(row)
        return row


def points(rows: Iterable[Sequence[Value | np.generic]]) -> tuple[tuple[Value, ...], ...]:
    """Points of a series: plain Python values, rounded like results, NaN as None."""
    return tuple(tuple(_point(value) for value in row) for row in rows)


def _point(value: Value | np.generic) -> Value:
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, float):
        return _significant(plain) if np.isfinite(plain) else None
    return plain


def _tidy(value: Value, statistic: str, decimals: int | None) -> Value:
    if not isinstance(value, float):
        return value
    if not np.isfinite(value):
        raise CannotEstimate(NOT_ESTIMABLE, statistic=statistic)
    return round(float(value), decimals) + 0.0 if decimals is not None else _significant(value)


def _tidy_limit(limit: float | None, statistic: str) -> float | None:
    tidy = _tidy(limit, statistic, None)
    return None if tidy is None else float(tidy)


def _significant(value: float) -> float:
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
