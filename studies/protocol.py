"""A study protocol: what will be done, fixed before outcomes are read. All that the analyses need is here.

The YAML is written and read by people (a statistician, an ethics board, a regulator); `load_protocol`
turns it into these frozen objects or names the place that is wrong. docs/reference/protocol.md
explains each field; studies/protocols/ holds the protocols.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rwd_platform.core.text import Bilingual
from studies.cohorts.definition import Cohort as Definition
from studies.planned import Aggregate, PlannedAnalysis
from studies.protocol_amendments import Amendment
from studies.protocol_genetics import GeneticResources

FORMAT_VERSION = 1

EXPOSED, COMPARATOR = "exposed", "comparator"
ARMS = (EXPOSED, COMPARATOR)

Days = tuple[int, int]  # from, to: days since the index date, both included
State = Literal["event", "free"]
LockDates = Literal["days", "shift", "month"]
# What the authors knew of these subjects' outcomes when the protocol was written; None: it does not say.
OutcomesKnown = Literal["no", "aggregate", "yes"]


@dataclass(frozen=True)
class Records:
    """Which rows of a table mean something: code and status must both match.

    `code_list`: the list (`name@version`) that the codes are from; "" where they are written out.
    """

    table: str
    code_system: str
    codes: tuple[str, ...]
    statuses: tuple[str, ...]
    code_list: str = ""


@dataclass(frozen=True)
class Criterion:
    """Who may enter the cohort. `kind` says which of the other fields are used.

    age     -- completed years at index from `at_least` to `at_most`
    gender  -- one of `values`
    record  -- a row of `records` in `days` is there (`present`) or is not
    """

    id: str
    kind: Literal["age", "gender", "record"]
    reason: Bilingual
    at_least: int | None = None
    at_most: int | None = None
    values: tuple[str, ...] = ()
    records: Records | None = None
    days: Days = (0, 0)
    present: bool = True


@dataclass(frozen=True)
class Cohort:
    """The index date is the first row of `index`; then each criterion in order."""

    source: Bilingual
    index: Records
    index_title: Bilingual
    criteria: tuple[Criterion, ...]


@dataclass(frozen=True)
class DefinedCohort:
    """A cohort in the cohort language (`cohort: language: 2`); its index dates are the starts of its intervals."""

    source: Bilingual
    index_title: Bilingual
    definition: Definition


@dataclass(frozen=True)
class Exposure:
    """Exposed: a row of `records` on a day of `grace_days`. Nobody's later use changes the arm.

    contradicting_statuses -- a row in the same days that says the opposite: the subject leaves
    washout_days           -- use in that many days before the index date: the subject leaves; None: not asked
    comparator             -- rows that define an active comparator; None: the comparator is no such use
    """

    name: str
    title: Bilingual
    exposed: Bilingual
    comparator_title: Bilingual
    records: Records
    grace_days: Days
    contradicting_statuses: tuple[str, ...] = ()
    washout_days: int | None = None
    comparator: Records | None = None

    def arm_title(self, arm: str) -> Bilingual:
        return self.exposed if arm == EXPOSED else self.comparator_title


@dataclass(frozen=True)
class OutcomeSource:
    """A repeated observation of one thing. Its state is `event` from the first event row on, else `free`.

    The day of an `event` is the first event row's, that of `free` the last free row's.
    `final`: after the event nothing free can follow (death); such rows are a contradiction.
    """

    name: str
    records: Records
    event_values: tuple[str, ...]
    free_values: tuple[str, ...]
    final: bool


@dataclass(frozen=True)
class OutcomeRule:
    """One line of the decision table: the first rule whose conditions all hold gives time and event.

    when    -- source -> the state it must have
    earlier -- (a, b): source a's day is before source b's day
    """

    when: tuple[tuple[str, State], ...]
    time_of: str
    event: bool
    reason: Bilingual
    earlier: tuple[str, str] | None = None


@dataclass(frozen=True)
class Competing:
    """Events after which the outcome's own event can no longer be seen first: death before recurrence.

    sources -- a rule that takes its day from an event of one of these ends with the competing event
    title   -- the competing event; `event_title` -- what the outcome's event is without it
    """

    sources: tuple[str, ...]
    title: Bilingual
    event_title: Bilingual


CENSORED, EVENT_OF_INTEREST, COMPETING_EVENT = 0, 1, 2  # `status` of the analysis table


@dataclass(frozen=True)
class Outcome:
    """Time and event by the decision table; with `competing` also which kind of event it was.

    wanted -- the event is what the treatment is for (remission, healing): more of it, and sooner, is better
    """

    name: str
    title: Bilingual
    sources: tuple[OutcomeSource, ...]
    rules: tuple[OutcomeRule, ...]
    competing: Competing | None = None
    wanted: bool = False

    def competes(self, rule: OutcomeRule) -> bool:
        """Whether the rule ends with an event of a competing source, composite outcome or not."""
        sources = self.competing.sources if self.competing else ()
        return rule.time_of in sources and (rule.time_of, "event") in rule.when

    def status_of(self, rule: OutcomeRule) -> int:
        """The kind of end: 0 censored, 1 the outcome's own event, 2 a competing event."""
        return COMPETING_EVENT if self.competes(rule) else int(rule.event)


@dataclass(frozen=True)
class Level:
    """One level of a covariate: the code in the records, and the short id that stands in result ids."""

    id: str
    code: str
    title: Bilingual


@dataclass(frozen=True)
class Covariate:
    """A baseline characteristic.

    kind    -- subject: a column of the subject table (`column`)
               measurement: the value on the latest of `days`; on one day the smallest (file, line) decides
               record: 1 if a row of `records` lies in `days`, else 0 - never missing
    type    -- number, levels (the first level is the reference), record
    unit    -- the unit that a measured number must have; "" where it has none
    """

    name: str
    title: Bilingual
    kind: Literal["subject", "measurement", "record"]
    type: Literal["number", "levels", "record"]
    unit: str = ""
    column: str = ""
    records: Records | None = None
    days: Days = (0, 0)
    levels: tuple[Level, ...] = ()


@dataclass(frozen=True)
class Restriction:
    """A condition on a covariate: a number in an interval, or a level in a set."""

    covariate: str
    more_than: float | None = None
    at_least: float | None = None
    less_than: float | None = None
    at_most: float | None = None
    one_of: tuple[str, ...] = ()


@dataclass(frozen=True)
class Population:
    id: str
    title: Bilingual
    restrictions: tuple[Restriction, ...]


@dataclass(frozen=True)
class Diagnostics:
    """Limits beyond which a result carries a warning and its claim is lowered, and the smallest count a figure shows.

    The last four are None where the protocol does not say: what depends on them is then "not evaluated".

    smd_by_size         -- the limit of a difference is the larger of `largest_smd` and what perfect randomisation of
                           arms of this size would exceed one time in twenty
    smallest_equipoise  -- the least share of subjects whose preference score lies in 0.3-0.7
    largest_weight      -- the largest share of its arm's weight that one subject may carry
    largest_loss        -- the largest share of subjects not followed to the horizon
    detectable_ratio    -- the hazard ratio (below 1) that the number of events has to be able to show
    """

    largest_smd: float
    smallest_effective_sample: float
    smallest_cell: int
    ph_alpha: float
    smd_by_size: bool = False
    smallest_equipoise: float | None = None
    largest_weight: float | None = None
    largest_loss: float | None = None
    detectable_ratio: float | None = None


@dataclass(frozen=True)
class IntercurrentEvent:
    event: Bilingual
    strategy: Bilingual


@dataclass(frozen=True)
class Estimand:
    """The five attributes of ICH E9(R1)."""

    population: Bilingual
    treatment: Bilingual
    variable: Bilingual
    intercurrent_events: tuple[IntercurrentEvent, ...]
    summary_measure: Bilingual


@dataclass(frozen=True)
class Emulation:
    """One row of the target trial table: what the trial would do, and what these data allow."""

    element: Bilingual
    trial: Bilingual
    emulation: Bilingual


@dataclass(frozen=True)
class OverseasResult:
    """An aggregate result from abroad to compare with. No subject of it is in these data."""

    title: Bilingual
    source: Bilingual
    hazard_ratio: float
    ci_low: float
    ci_high: float
    ci_level: float
    subjects: int
    events: int


@dataclass(frozen=True)
class CalendarRule:
    """Records that can only lie on one side of a day that the world fixed: a licence, an approval, a recall.

    Checked on the true dates, before the lock turns them into anything else. `when_broken`:
    refuse    -- no lock is made
    leave_out -- the rows that break the rule stay out, before the cohort is defined
    report    -- the lock says how many there are
    """

    id: str
    date: str  # YYYY-MM-DD; on the day itself the rule holds
    title: Bilingual
    records: Records
    order: Literal["not_before", "not_after"]
    when_broken: Literal["refuse", "leave_out", "report"] = "refuse"


@dataclass(frozen=True)
class LockPlan:
    """What the lock holds in place of true dates and of columns that are too fine.

    dates      -- days: days since index and the quarter of the index date; shift: dates, all of a subject's
                  moved back by one secret number of days; month: months, from which no analysis is made
    generalise -- lock column (`subject.age_years`) and what is done with it (`age-band:5`)
    free_text  -- whether texts that people wrote may be prepared for this study: cleaned, and then released one
                  by one by a privacy officer; without it nobody can ask for them
    """

    dates: LockDates = "days"
    generalise: tuple[tuple[str, str], ...] = ()
    calendar: tuple[CalendarRule, ...] = ()
    free_text: bool = False


@dataclass(frozen=True)
class Protocol:
    """A protocol and the SHA-256 of the exact text it was read from."""

    id: str
    version: str
    dated: str  # YYYY-MM-DD: the date that documents made from this protocol carry
    sha256: str
    title: Bilingual
    question: Bilingual
    why_real_world_data: Bilingual
    prior_knowledge: Bilingual
    estimand: Estimand
    target_trial: tuple[Emulation, ...]
    cohort: Cohort | DefinedCohort
    exposure: Exposure
    outcome: Outcome
    covariates: tuple[Covariate, ...]
    populations: tuple[Population, ...]
    analyses: tuple[PlannedAnalysis, ...]
    diagnostics: Diagnostics
    overseas: OverseasResult | None
    limits: tuple[Bilingual, ...]
    lock: LockPlan = LockPlan()
    overseas_series: tuple[Aggregate, ...] = ()
    outcomes_known: OutcomesKnown | None = None
    genetic_resources: GeneticResources | None = None
    amendments: tuple[Amendment, ...] = ()

    def aggregate(self, id: str) -> Aggregate:
        return next(one for one in self.overseas_series if one.id == id)

    def covariate(self, name: str) -> Covariate:
        return next(one for one in self.covariates if one.name == name)

    def population(self, id: str) -> Population:
        return next(one for one in self.populations if one.id == id)

    def analysis(self, id: str) -> PlannedAnalysis:
        return next(one for one in self.analyses if one.id == id)


def load_protocol(text: str) -> Protocol:
    """Read a protocol. Raises `protocol.refused`, naming the place, for whatever is not as it should be."""
    from studies.protocol_reader import read_protocol

    return read_protocol(text)
