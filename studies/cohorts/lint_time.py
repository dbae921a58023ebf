"""Whether a definition looks past the index date: what happens later must not decide who is in (immortal time)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf

from studies.cohorts.definition import Cohort, DateShift, Events, Group, Related, Window
from studies.cohorts.tables import Model

LATER = ("end_date", "days", "age_at_end", "calendar_age_at_end")


def look_ahead(cohort: Cohort, model: Model) -> Iterator[tuple[Related, int, float]]:
    """Related events that may lie after the index date: with the line, and how many days after."""
    index = tuple(cohort.entry.events)
    yield from _of_group(cohort.qualify, 0, 0, index, model)
    for rule in cohort.rules:
        yield from _of_group(rule.group, rule.line, 0, index, model)
    for entry in index:
        if entry.within:
            yield from _of_group(entry.within, entry.line, 0, (entry,), model)


def _of_group(
    group: Group, line: int, offset: float, index: Sequence[Events], model: Model
) -> Iterator[tuple[Related, int, float]]:
    """`offset`: how many days after the index date the events that the group is asked about can lie."""
    for related in group.related:
        at = related.line or line
        last = offset + _last_day(related, index, model)
        if last > 0:
            yield related, at, last
        elif related.events.within:
            yield from _of_group(related.events.within, at, last, (related.events,), model)
    for inner in group.groups:
        yield from _of_group(inner, line, offset, index, model)


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
