"""Whether a definition looks past the index date: what happens later must not decide who is in (immortal time).

Later are not only events after the index date. How long an event lasts, when it ends and whether it is taken back is
known only when it is over; so a condition that asks for it looks as far ahead as it takes to know the answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf

from studies.cohorts.definition import Cohort, DateShift, Events, Group, Related, Test, Window
from studies.cohorts.tables import Model

LATER = ("end_date", "days", "age_at_end", "calendar_age_at_end")
_AT_ONCE = ("lt", "ge")  # answered on the very day that the limit names, the others on the day after


def look_ahead(cohort: Cohort, model: Model) -> Iterator[tuple[int, float]]:
    """Conditions that are decided after the index date: the line, and how many days after."""
    index = tuple(cohort.entry.events)
    asked = _Asked(index, 0, False)
    yield from _of_group(cohort.qualify, 0, asked, model)
    for rule in cohort.rules:
        yield from _of_group(rule.group, rule.line, asked, model)
    for entry in index:
        if entry.within:
            yield from _of_group(entry.within, entry.line, _Asked((entry,), 0, False), model)


def known_later(events: Events, model: Model) -> tuple[str, ...]:
    """The columns of a query's own tests whose values are not yet known on the event's first day."""
    return tuple(test.column for test in events.tests if _decided(test, events, model) > 0)


@dataclass(frozen=True)
class _Asked:
    """Of what a condition is asked.

    index  -- the queries that its index events come from
    offset -- how many days after the index date of the cohort they can begin
    over   -- whether they have ended by the index date of the cohort
    turned -- whether it counts that the condition does not hold
    """

    index: Sequence[Events]
    offset: float
    over: bool
    turned: bool = False


def _of_group(group: Group, line: int, asked: _Asked, model: Model) -> Iterator[tuple[int, float]]:
    if group.operator == "at_most":
        asked = replace(asked, turned=not asked.turned)
    # An end that the definition itself gives is known.
    read = [one for one in asked.index if not one.dates[1]]
    for tests in group.about_patient:
        days = max((_decided(test, one, model) for one in read for test in tests), default=0)
        last = _after(asked.offset, days)
        if days > 0 and last > 0 and not asked.over:
            yield line, last
    for related in group.related:
        yield from _of_related(related, related.line or line, asked, model)
    for inner in group.groups:
        yield from _of_group(inner, line, asked, model)


def _of_related(related: Related, line: int, asked: _Asked, model: Model) -> Iterator[tuple[int, float]]:
    events = related.events
    last = asked.offset + _last_day(related, asked.index, model)
    over = last <= 0 and any(one.event == "end" and one.end.days is not None for one in related.windows)
    tests = [one for one in (*events.tests, *related.then) if not over or one.column not in LATER]
    reach = max([last, *(_after(last, _decided(test, events, model)) for test in tests)])
    absent = (related.count.operator == "at_most") != asked.turned
    if over and (absent or related.count.operator == "exactly") and _ends_unsaid(events, model):
        reach = inf
    if reach > 0:
        yield line, reach
    elif events.within:
        yield from _of_group(events.within, line, _Asked((events,), last, over, absent), model)


def _after(day: float, days: float) -> float:
    return inf if days == inf else day + days


def _ends_unsaid(events: Events, model: Model) -> bool:
    """Whether an event without an end counts as over: that it goes on is then known by the end it gets later."""
    return _ends_later(events, model) and not model.events[events.table].open_end


def _decided(test: Test, events: Events, model: Model) -> float:
    """How many days after the first of an event a test of it can be answered."""
    table = model.events.get(events.table)
    if table and test.column in table.later:
        return inf if test.operator == "eq" and test.values == (True,) else 0
    if test.column not in LATER or not _ends_later(events, model):
        return 0
    limits = [float(one) for one in test.values if not isinstance(one, str)]
    if test.column != "days" or not limits:
        return inf
    return max(max(limits) + (test.operator not in _AT_ONCE), 0)


def _ends_later(events: Events, model: Model) -> bool:
    """Whether an event's end, as its tests read it, comes from a row that says it when it is there."""
    shift = events.shift
    if shift and shift.end_from == shift.start_from:
        return False
    return _lasts(events, model)


def _last_day(related: Related, index: Sequence[Events], model: Model) -> float:
    """The last day, counted from the first of the index event, that an event may begin on and count."""
    days = [_last_of(window, related.events, index, model) for window in related.windows]
    return min(days, default=inf)


def _last_of(window: Window, events: Events, index: Sequence[Events], model: Model) -> float:
    if window.end.days is None:
        return inf if window.end.side == 1 else -inf
    if window.index == "end" and any(has_length(one, model) for one in index):
        return inf
    last = float(window.end.days)
    shift = events.shift
    if shift and window.event == "start":
        # Where the stored start has been moved, the event itself happened so many days earlier or later.
        return inf if shift.start_from == "end" and _lasts(events, model) else last - shift.start_days
    if shift and window.event == "end":
        return inf if shift.end_from == "start" and _lasts(events, model) else last - shift.end_days
    return last


def has_length(events: Events, model: Model) -> bool:
    """Whether an event's last day can be later than its first."""
    if events.dates[1]:
        return True
    return _shifted_length(events.shift) if events.shift else _lasts(events, model)


def _shifted_length(shift: DateShift) -> bool:
    return shift.end_from != shift.start_from or shift.end_days > shift.start_days


def _lasts(events: Events, model: Model) -> bool:
    return events.table in model.events and bool(model.events[events.table].ends)
