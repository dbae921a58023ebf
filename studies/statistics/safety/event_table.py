"""The adverse-event table: any event, by system organ class and by preferred term, for each arm."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, ONE_ARM, CannotEstimate, Reason
from studies.statistics import Bools, Floats, Ints
from studies.statistics.counts.measure import Measure
from studies.statistics.counts.proportions import Proportion, proportion
from studies.statistics.counts.two_by_two import DifferenceMethod, risk_difference
from studies.statistics.estimate import Estimate
from studies.statistics.inputs import Labels, labels, numbers
from studies.statistics.options import checked
from studies.statistics.probability import CI_LEVEL
from studies.statistics.safety.checks import amounts
from studies.statistics.safety.rates import (
    PER,
    ExposureAdjustedRate,
    event_rate,
    exact_rate,
    rate_difference,
)

UNKNOWN_SUBJECT = Reason(
    "unknown_subject",
    "有不良事件属于未列入该人群的受试者。",
    "Some events belong to nobody in this population.",
)
REPEATED_SUBJECT = Reason(
    "repeated_subject",
    "受试者标识重复：每名受试者只能有一行暴露时间。",
    "A subject appears twice: each has one row of time at risk.",
)


@dataclass(frozen=True)
class TermRates:
    """One line for one arm. `soc` and `term` are None above their level (the line "any event" has neither).

    `incidence` counts each subject once, to the first event of this line; `event_rate` counts all events.
    """

    soc: Hashable | None
    term: Hashable | None
    group: Hashable
    subjects: int
    proportion: Proportion
    incidence: ExposureAdjustedRate
    event_rate: ExposureAdjustedRate


@dataclass(frozen=True)
class TermDifference:
    """One line, arm minus reference: of the proportions and of the incidence rates (MOVER)."""

    soc: Hashable | None
    term: Hashable | None
    group: Hashable
    reference: Hashable
    proportion: Measure
    incidence: Estimate


@dataclass(frozen=True)
class EventTable:
    """`outside` events began before time 0 or after the end of time at risk and are in no line."""

    rows: tuple[TermRates, ...]
    differences: tuple[TermDifference, ...]
    outside: int
    method: str


@dataclass(frozen=True)
class _Subjects:
    time: Floats
    group: Labels


@dataclass(frozen=True)
class _Events:
    subject: Ints
    time: Floats


@checked
def adverse_event_table(
    subject: Sequence[Hashable] | npt.ArrayLike,
    time: npt.ArrayLike,
    *,
    event_subject: Sequence[Hashable] | npt.ArrayLike,
    event_time: npt.ArrayLike,
    term: Sequence[Hashable] | npt.ArrayLike,
    soc: Sequence[Hashable] | npt.ArrayLike | None = None,
    group: Sequence[Hashable] | npt.ArrayLike | None = None,
    reference: Hashable | None = None,
    difference: DifferenceMethod = "newcombe",
    per: float = PER,
    conf_level: float = CI_LEVEL,
) -> EventTable:
    """Rates for any event, each `soc` and each `term`, in each `group`; differences from `reference`.

    subject (n,) without repeats, time (n,) at risk, group (n,); event_subject, event_time (since the start
    of time at risk), term, soc (m,), one row an event. A study without events has m = 0. A term is counted
    within its `soc`. Lines are ordered by soc, then term. difference: the limits of differences of proportions
    (`counts.two_by_two.risk_difference`); those of rates are MOVER's.
    Raises `CannotEstimate` for a repeated or unknown subject, no time at risk in an arm, an unknown
    reference, and bad columns.
    """
    people = labels(subject, "subject")
    if len(people) != len(people.codes):
        raise CannotEstimate(REPEATED_SUBJECT)
    at_risk = amounts(time, "time", len(people.codes))
    arms = labels(np.zeros(len(at_risk)) if group is None else group, "group", len(at_risk))
    who = _rows_of(people, event_subject)
    when = numbers(event_time, "event_time", len(who)) if len(who) else np.zeros(0)
    inside = (when >= 0) & (when <= at_risk[who])
    events = _Events(who[inside], when[inside])
    rows: list[TermRates] = []
    differences: list[TermDifference] = []
    for class_name, term_name, keep in _lines(term, soc, len(who)):
        chosen = keep[inside]
        line = _line(
            _Subjects(at_risk, arms),
            _Events(events.subject[chosen], events.time[chosen]),
            (class_name, term_name),
            per,
            conf_level,
        )
        rows += line
        if reference is not None:
            differences += _compared(line, reference, difference, conf_level)
    return EventTable(
        tuple(rows),
        tuple(differences),
        int((~inside).sum()),
        f"exposure-adjusted rates per {per:g}; exact limits; differences: {difference}, MOVER",
    )


def _rows_of(people: Labels, event_subject: Sequence[Hashable] | npt.ArrayLike) -> Ints:
    """The row of each event's subject."""
    named = np.asarray(event_subject)
    if named.size == 0:
        return np.zeros(0, dtype=np.intp)
    row = np.empty(len(people), dtype=np.intp)
    row[people.codes] = np.arange(len(people.codes))
    known = {name: int(row[code]) for code, name in enumerate(people.levels)}
    found = labels(named, "event_subject")
    try:
        rows = np.array([known[name] for name in found.levels], dtype=np.intp)
    except KeyError as unknown:
        raise CannotEstimate(UNKNOWN_SUBJECT) from unknown
    return rows[found.codes]


def _lines(
    term: Sequence[Hashable] | npt.ArrayLike, soc: Sequence[Hashable] | npt.ArrayLike | None, events: int
) -> list[tuple[Hashable | None, Hashable | None, Bools]]:
    """(soc, term, which events) of every line; the first is any event."""
    lines: list[tuple[Hashable | None, Hashable | None, Bools]] = [(None, None, np.ones(events, bool))]
    if events == 0:
        return lines
    terms = labels(term, "term", events)
    if soc is None:
        return lines + [(None, name, terms.codes == code) for code, name in enumerate(terms.levels)]
    classes = labels(soc, "soc", events)
    for number, class_name in enumerate(classes.levels):
        within = classes.codes == number
        lines.append((class_name, None, within))
        lines += [
            (class_name, terms.levels[code], within & (terms.codes == code))
            for code in np.unique(terms.codes[within])
        ]
    return lines


def _line(
    subjects: _Subjects,
    events: _Events,
    names: tuple[Hashable | None, Hashable | None],
    per: float,
    conf_level: float,
) -> list[TermRates]:
    first = np.full(len(subjects.time), np.inf)
    np.minimum.at(first, events.subject, events.time)
    number = np.bincount(events.subject, minlength=len(first))
    until_first = np.minimum(first, subjects.time)
    rows = []
    for code, arm in enumerate(subjects.group.levels):
        mine = subjects.group.codes == code
        affected, n = int((number[mine] > 0).sum()), int(mine.sum())
        rows.append(
            TermRates(
                soc=names[0],
                term=names[1],
                group=arm,
                subjects=affected,
                proportion=proportion(affected, n, conf_level=conf_level),
                incidence=exact_rate(
                    affected, float(until_first[mine].sum()), n=n, per=per, conf_level=conf_level
                ),
                event_rate=event_rate(number[mine], subjects.time[mine], per=per, conf_level=conf_level),
            )
        )
    return rows


def _compared(
    line: list[TermRates], reference: Hashable, method: DifferenceMethod, conf_level: float
) -> list[TermDifference]:
    if len(line) < 2:
        raise CannotEstimate(ONE_ARM)
    base = next((one for one in line if one.group == reference), None)
    if base is None:
        allowed = ", ".join(str(one.group) for one in line)
        raise CannotEstimate(BAD_ARGUMENT, argument="reference", allowed=allowed)
    return [
        TermDifference(
            soc=one.soc,
            term=one.term,
            group=one.group,
            reference=reference,
            proportion=risk_difference(
                (one.subjects, base.subjects),
                (one.incidence.n, base.incidence.n),
                method=method,
                conf_level=conf_level,
            ),
            incidence=rate_difference(one.incidence, base.incidence, conf_level=conf_level),
        )
        for one in line
        if one is not base
    ]
