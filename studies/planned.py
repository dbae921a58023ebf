"""The planned analyses of a protocol: which methods there are, and what each has to say beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rwd_platform.core.text import Bilingual

Method = Literal[
    "cox", "balance", "overlap", "kaplan_meier", "log_rank", "follow_up", "forest",
    "rmst", "performance_criterion", "e_value", "subgroups", "leave_one_out", "bridging", "borrowing",
    "tipping_point", "specification",
    "cumulative_incidence",
    "safety",
]  # fmt: skip
Weights = Literal["none", "overlap", "ate", "att", "entropy", "matched"]
Role = Literal["primary", "secondary", "sensitivity", "descriptive"]
Direction = Literal["at_least", "at_most"]
Lost = Literal["as_failure", "complete_cases"]


@dataclass(frozen=True)
class Criterion:
    """An objective performance criterion: the share of successes that a single arm is held against.

    value   -- between 0 and 1
    source  -- where the number comes from: a guideline, a meta-analysis, a registry. A criterion without one is
               an opinion, and the protocol is refused
    alpha   -- of the one-sided test
    assumed -- the true share for which the power was planned; None: no power is shown
    """

    value: float
    direction: Direction
    source: Bilingual
    alpha: float
    assumed: float | None = None


@dataclass(frozen=True)
class Horizon:
    """Success is decided at `day`: no event up to it. Who was seen on or after day - window counts as followed."""

    day: int
    window: int = 0


@dataclass(frozen=True)
class Borrowing:
    """How much an earlier series may say about this one.

    aggregate -- the overseas series (`Aggregate.id`)
    method    -- `robust`: its posterior mixed with a vague prior, `weight` on the series;
                 `power`: its likelihood raised to `weight`
    decide_at -- the posterior probability of beating the criterion from which one says so
    """

    aggregate: str
    method: Literal["robust", "power"]
    weight: float
    decide_at: float


@dataclass(frozen=True)
class EventTerm:
    """What a code of an adverse event is called in this study. No dictionary is shipped: the authors name them."""

    code_system: str
    code: str
    title: Bilingual


@dataclass(frozen=True)
class PlannedAnalysis:
    """One analysis, planned before outcomes were read. Which fields are used depends on `method`.

    role                 -- what its result is for; only a primary analysis can be confirmatory
    covariates           -- adjusted for (cox), described (balance), in the score (weights, overlap), or matched to the
                            overseas series (bridging)
    strata               -- covariates with levels, or `site_id`: each has its own baseline hazard (cox, log_rank;
                            of cumulative_incidence Gray's test and the cause-specific models)
    proportional_hazards -- test them and report it (cox without weights)
    days                 -- landmarks of the curve and of the numbers at risk (kaplan_meier, cumulative_incidence)
    tau                  -- restricted mean up to this day (rmst)
    compares             -- the Cox analyses that a forest plot shows, in order; the other ways of a specification
    of                   -- the Cox analysis that is looked into (e_value, subgroups, leave_one_out), the criterion of a
                            tipping point, the main way of a specification
    by                   -- the covariates whose levels are the subgroups
    criterion, horizon, lost -- of a performance criterion, bridging and borrowing
    subjects             -- how many the arm is planned to have: its design is shown before the freeze; 0: not said
    aggregate            -- the overseas series that is bridged to
    missing_factors      -- prognostic factors and effect modifiers that one of the sides does not record (bridging)
    borrowing            -- of `borrowing`
    until                -- adverse events up to this day; 0: to the end of each subject's observation (safety)
    deaths               -- the outcome's source whose event is a death, to hold fatal events against; "": none (safety)
    terms                -- names of codes (safety)
    """

    id: str
    method: Method
    title: Bilingual
    population: str = ""
    covariates: tuple[str, ...] = ()
    weights: Weights = "none"
    proportional_hazards: bool = False
    days: tuple[int, ...] = ()
    compares: tuple[str, ...] = ()
    role: Role = "secondary"
    strata: tuple[str, ...] = ()
    tau: int = 0
    of: str = ""
    by: tuple[str, ...] = ()
    criterion: Criterion | None = None
    horizon: Horizon | None = None
    lost: Lost = "as_failure"
    aggregate: str = ""
    missing_factors: tuple[Bilingual, ...] = ()
    borrowing: Borrowing | None = None
    subjects: int = 0
    until: int = 0
    deaths: str = ""
    terms: tuple[EventTerm, ...] = ()


@dataclass(frozen=True)
class AggregateCovariate:
    """A covariate of an overseas series as published: mean (and SD) of a number, share of a level or of a record.

    name -- a covariate of this protocol; `size.over50` for a level
    """

    name: str
    mean: float
    sd: float | None = None


@dataclass(frozen=True)
class Aggregate:
    """A published single-arm series: how many succeeded by which day, and who they were. Nobody's rows."""

    id: str
    title: Bilingual
    source: Bilingual
    subjects: int
    successes: int
    horizon_day: int
    covariates: tuple[AggregateCovariate, ...]
