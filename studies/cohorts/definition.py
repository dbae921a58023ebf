"""A cohort definition: who enters and on which day, who may stay, and when they leave.

The vocabulary is closed and typed, so that every engine can run it and a linter can judge it. It joins two
known ones: the events, windows, counts, exits and eras of Circe (OHDSI/circe-be), and the series of ehrQL,
where a condition speaks of a column of a row, of its patient or of its visit.

    entry events ─▶ within an observation period ─▶ first | last | all
                 ─▶ qualifying conditions        ─▶ first | last | all
                 ─▶ inclusion rules, one by one  ─▶ first | last | all
                 ─▶ exit ─▶ censoring events ─▶ eras ─▶ calendar window

A missing value passes no test, also no negated one: what is not recorded is not known. Days are calendar
days; an event without an end has the end that its table's description gives it (`tables.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from rwd_platform.core.text import Bilingual

Side = Literal["start", "end"]
Pick = Literal["all", "first", "last"]
Operator = Literal[
    "lt", "le", "eq", "ne", "ge", "gt", "between", "not_between",
    "in", "not_in", "is_null", "not_null",
    "starts", "not_starts", "ends", "not_ends", "contains", "not_contains",
]  # fmt: skip
Value = str | int | float


@dataclass(frozen=True)
class Codes:
    """A code list at one version, expanded: (system, code) pairs. `system` is "" where a table has none."""

    name: str
    pairs: frozenset[tuple[str, str]]


@dataclass(frozen=True)
class CodeTest:
    """Which code column of a row must be in a list: `code` is the table's own, others have names of their own.

    `excluded` turns it round: a row that has a code, and one that is not in the list.
    """

    codes: Codes
    column: str = "code"
    excluded: bool = False


@dataclass(frozen=True)
class Test:
    """A column compared with values.

    column -- of the row; `patient.<column>`, `visit.<column>`, `provider.<column>` and `site.<column>` of what
              the row names (a row that names nothing is missing them all);
              `start_date`, `end_date`, `days` (between the two), `age` (completed years at the start),
              `age_at_end`, `calendar_age` (difference of the years) and `calendar_age_at_end`
    values -- one for a comparison, two for `between` (both ends included), any number for `in`, none for null;
              dates as YYYY-MM-DD
    """

    column: str
    operator: Operator
    values: tuple[Value, ...] = ()


@dataclass(frozen=True)
class DateShift:
    """New start and end of an event, each some days from its own start or end."""

    start_from: Side = "start"
    start_days: int = 0
    end_from: Side = "end"
    end_days: int = 0


@dataclass(frozen=True)
class Events:
    """Rows of a table that stand for something that happened.

    first   -- only each patient's first row of those that `codes` select, before any other test is made:
               "the first diagnosis, and it was made in hospital", not "the first diagnosis made in hospital"
    shift   -- changes both dates before the tests are made
    dates   -- a start and an end, YYYY-MM-DD, that stand for the event's own once the tests are made; "" keeps it
    pick    -- of the rows that pass every test: all, or the patient's first or last
    within  -- further conditions, each event its own index
    line    -- of the definition's text, for messages; 0 where there is none
    """

    table: str
    codes: tuple[CodeTest, ...] = ()
    first: bool = False
    shift: DateShift | None = None
    tests: tuple[Test, ...] = ()
    dates: tuple[str, str] = ("", "")
    pick: Pick = "all"
    within: Group | None = None
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Bound:
    """An end of a window, in days from the index date (negative: before). `days` None: as far as is observed.

    `side` says which end of the observation period that is: -1 its first day, 1 its last.
    """

    days: int | None
    side: Literal[-1, 1]


@dataclass(frozen=True)
class Window:
    """From when to when, both days included: a date of the event, counted from a date of the index event."""

    start: Bound
    end: Bound
    event: Side = "start"
    index: Side = "start"


@dataclass(frozen=True)
class Count:
    """How many events there must be; `distinct`: how many different values of that column they must have.

    `distinct` may name what a test may name, a code column or `visit`.
    """

    operator: Literal["at_least", "at_most", "exactly"]
    number: int
    distinct: str = ""


@dataclass(frozen=True)
class Related:
    """Events of the same patient counted around each index event.

    observed   -- only events inside the index event's observation period count
    same_visit -- only events of the index event's visit count
    of         -- of the events so near, all count, or only the first or the last: "the last eGFR before index"
    then       -- what that one must be to count: "was at least 30". `events.pick` and its tests choose before any
                  window is looked at
    """

    events: Events
    windows: tuple[Window, ...]
    count: Count
    observed: bool = True
    same_visit: bool = False
    of: Pick = "all"
    then: tuple[Test, ...] = ()
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Group:
    """Conditions joined: all, any, at least or at most `number` of them hold. An empty group always holds.

    about_patient -- each a set of tests on the index event and its patient, all of which must pass
    """

    operator: Literal["all", "any", "at_least", "at_most"] = "all"
    number: int = 0
    related: tuple[Related, ...] = ()
    about_patient: tuple[tuple[Test, ...], ...] = ()
    groups: tuple[Group, ...] = ()

    @property
    def empty(self) -> bool:
        return not (self.related or self.about_patient or self.groups)

    def all_related(self) -> Iterator[Related]:
        """The related events of this group and of the groups in it."""
        yield from self.related
        for group in self.groups:
            yield from group.all_related()

    def all_tests(self) -> Iterator[Test]:
        """The tests on index event and patient, of this group and of the groups in it."""
        for tests in self.about_patient:
            yield from tests
        for group in self.groups:
            yield from group.all_tests()


@dataclass(frozen=True)
class Entry:
    """The events that may let a patient in; `days_before` and `days_after` must be observed around them."""

    events: tuple[Events, ...]
    days_before: int = 0
    days_after: int = 0
    limit: Pick = "all"


@dataclass(frozen=True)
class Rule:
    """An inclusion rule. `reason` is why those leave who do not meet it."""

    id: str
    reason: Bilingual
    group: Group
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class FixedExit:
    """So many days from the entry event's start or end, and not beyond its observation period."""

    side: Side
    days: int


@dataclass(frozen=True)
class ExposureExit:
    """The end of continuous exposure: exposures at most `gap_days` apart are one, and `extra_days` follow it.

    `supply_days` stands in for the length of every exposure where it is given.
    """

    exposure: tuple[Events, ...]
    gap_days: int = 0
    extra_days: int = 0
    supply_days: int | None = None


@dataclass(frozen=True)
class Cohort:
    """A whole definition. `exit` None: the end of the observation period.

    The qualifying limit holds also where there is no qualifying condition.

    A patient's intervals that overlap, or lie at most `era_gap_days` apart, become one; what then lies outside
    `window` (first day, last day; "" where open) is cut off.
    """

    name: str
    entry: Entry
    qualify: Group = Group()
    qualify_limit: Pick = "all"
    rules: tuple[Rule, ...] = ()
    limit: Pick = "all"
    exit: FixedExit | ExposureExit | None = None
    censors: tuple[Events, ...] = ()
    era_gap_days: int = 0
    window: tuple[str, str] = ("", "")

    def all_events(self) -> Iterator[Events]:
        """Every event query of the definition, nested ones included."""
        queries = [*self.entry.events, *self.censors]
        if isinstance(self.exit, ExposureExit):
            queries += self.exit.exposure
        groups = [self.qualify, *(rule.group for rule in self.rules)]
        while queries or groups:
            if queries:
                events = queries.pop(0)
                yield events
                groups += [events.within] if events.within else []
            else:
                group = groups.pop(0)
                queries += [related.events for related in group.related]
                groups += group.groups
