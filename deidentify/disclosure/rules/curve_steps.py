"""Curves of time to event: what happens between two printed times happens to enough people, or to nobody.

Looked at, arm by arm, over all times that the results print - the points of a curve and the survival at
planned days together, because the difference of two neighbouring ones tells the events between them:

- events between two printed times: none, or at least `km_events`;
- those still followed at a printed time: at least `km_at_risk`;
- the numbers at risk: each falls by none or by at least the minimum cell; so does any count of persons of a file that
  only falls, or only grows, from visit to visit (a person looks, since that may be chance);
- limits that tell more persons than there are were not computed from these: nothing is proven by them;
- curves of competing events: each kind by itself, 1 less its incidence, with the events of that kind.

With the enclave's own steps the events are counted. From a file they are reconstructed, as a reader could,
from the curve and its limits: a step of size p = 1 - S2/S1 adds d/(n(n-d)) to Greenwood's sum, which the
log-log limits give away, so that n = p/((1-p) * added) and d = p * n. For a step of several event times the
result is an average over them; where no limits are printed, or the curve is one of competing events, whose limits
are no Greenwood's, the verdict is `review`.

Not looked at: how many were censored in between.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import Any

from deidentify.disclosure.findings import Case, Finding, Rule, point
from deidentify.disclosure.names import folded
from deidentify.disclosure.places import SHARES_OF_CURVES, at_risk_of
from deidentify.disclosure.read import PERSONS, Curve, Results, Row
from rwd_platform.core.text import Bilingual

STEP = Rule(
    "curve_step",
    Bilingual("曲线台阶的事件数", "Events in a step of a curve"),
    Bilingual(
        "两个相邻时点之间的事件数在 1 至 {most} 之间。",
        "Between two printed times there are between 1 and {most} events.",
    ),
    Bilingual(
        "去掉该时点，使每一台阶至少有 {minimum} 个事件。",
        "Leave this time out, so that each step has at least {minimum} events.",
    ),
)
TAIL = Rule(
    "curve_tail",
    Bilingual("曲线尾部的在险人数", "The tail of a curve"),
    Bilingual(
        "该时点仍在随访的人数少于 {minimum}。", "Fewer than {minimum} are still followed at this time."
    ),
    Bilingual("曲线在此之前截止。", "End the curve before it."),
)
UNKNOWN = Rule(
    "curve_not_proven",
    Bilingual("无法数出台阶的事件数", "Events of a step cannot be told"),
    Bilingual(
        "曲线没有置信区间，也没有安全环境中的台阶，无法数出每一台阶的事件数。",
        "The curve has no limits and there are no steps from the enclave: the events of a step cannot be told.",
    ),
    Bilingual("请在安全环境中检查，或补上置信区间。", "Check it in the enclave, or print the limits."),
)
AT_RISK = Rule(
    "at_risk_step",
    Bilingual("在险人数的差", "Steps of the number at risk"),
    Bilingual(
        "在险人数比前一时点减少 1 至 {most} 人。",
        "The number at risk falls by 1 to {most} from the time before.",
    ),
    Bilingual("去掉该时点的在险人数。", "Leave out the number at risk at this time."),
)
# Dimensions along which a number falls.
TIMES = frozenset(
    {"day", "days", "time", "time_days", "month", "months", "year", "years", "step", "visit", "visits"}
    | {"week", "weeks", "follow-up", "follow up", "followup", "cycle", "cycles", "timepoint", "time point"}
    | {
        "天",
        "日",
        "天数",
        "时间",
        "月",
        "月份",
        "年",
        "步骤",
        "访视",
        "周",
        "随访",
        "随访时间",
        "随访月",
        "周期",
        "时点",
    }
)
CALENDAR = frozenset({"year", "years", "年"})  # who was enrolled in a year is nobody who stayed
Steps = list[tuple[float, float, float]]  # day, at risk, events
_COMPETING = ":competing"  # behind an arm's name: its curve of the competing event
_SLACK = 0.1
_HALF = 0.5  # a reconstructed count is no whole number
_Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Time:
    """A printed survival, or 1 less an incidence. `place` names it; `is_point` of a curve, else of a planned day."""

    day: float
    survival: float
    low: float | None
    high: float | None
    place: str
    is_point: bool
    persons: float | None = None  # of the arm, as far as the results say


def find(case: Case) -> Iterator[Finding]:
    steps = _steps(case.support or case.results)
    for (analysis, arm), times in sorted(_times(case.results).items()):
        times.sort(key=lambda time: (time.day, time.is_point))
        known = steps.get((analysis, arm))
        late = [time for time in times if known is not None and _is_late(case, time, known)]
        for time in late:
            yield TAIL.finding(time.place, minimum=case.recipient.km_at_risk)
        yield from _too_close(case, [time for time in times if time not in late], known)
    for row, field in case.declared():
        if field.type == "time_to_event" and row.value is not None and _planned_day(row) is None:
            yield UNKNOWN.finding(row.id, outcome="review")
    yield from _numbers_at_risk(case)
    yield from _falling_columns(case)
    yield from _falling_persons(case)


def _planned_day(row: Row) -> float | None:
    """The day that a survival is of, as the platform writes it; None where the row does not say."""
    return _day(row.id.rpartition(".")[2])


def _falling_columns(case: Case) -> Iterator[Finding]:
    """In a table of a file: those who are left fall from line to line by nobody or by enough."""
    lines: dict[tuple[object, ...], list[Row]] = defaultdict(list)
    for row in case.results.rows:
        if row.statistic in ("remaining", "at_risk") and (row.dims or case.results.is_table):
            when = _when(case, row.statistic)
            lines[(row.statistic, *(one for one in row.dims if one[0] not in when))].append(row)
    for (_, *_), rows in sorted(lines.items(), key=lambda item: item[1][0].id):
        before: float | None = None
        for row in rows:
            if row.number is None:
                continue
            if before is not None and case.is_small(abs(before - row.number)):
                yield AT_RISK.finding(row.id, most=case.minimum - 1)
            else:
                before = row.number


def _falling_persons(case: Case) -> Iterator[Finding]:
    """A count of persons that only falls or only grows along a time is a follow-up in other words."""
    lines: dict[tuple[object, ...], list[Row]] = defaultdict(list)
    for row in case.results.rows:
        when = [name for name, _ in row.dims if folded(name) in TIMES - CALENDAR]
        if row.statistic in PERSONS and row.number is not None and when and _is_inside(row, when):
            lines[(row.statistic, *(one for one in row.dims if one[0] not in when))].append(row)
    for rows in lines.values():
        counts = [row.number or 0.0 for row in rows]
        falls = [before - after for before, after in pairwise(counts)]
        if not (all(step >= 0 for step in falls) or all(step <= 0 for step in falls)):
            continue
        for row, step in zip(rows[1:], falls, strict=True):
            if case.is_small(abs(step)):
                yield AT_RISK.finding(row.id, outcome="review", most=case.minimum - 1)


def _is_inside(row: Row, when: list[str]) -> bool:
    """Not the margin over the times."""
    return all(label for name, label in row.dims if name in when)


def _when(case: Case, statistic: str) -> frozenset[str]:
    """The dimensions that a number falls along: those that say when; if none does, it may be any."""
    names = {name for row in case.results.rows if row.statistic == statistic for name, _ in row.dims}
    return frozenset(name for name in names if folded(name) in TIMES) or frozenset(names)


def _is_late(case: Case, time: Time, known: Steps) -> bool:
    """Whether too few are still followed: at the next step, never more than those on the day itself."""
    later = [at_risk for day, at_risk, _ in known if day >= time.day]
    few = (later[0] if later else 0) < case.recipient.km_at_risk
    # A planned day prints its own number at risk, which rules/small_cells.py asks.
    return few and time.day > 0 and (time.is_point or not _prints_at_risk(case, time.place))


def _prints_at_risk(case: Case, share: str) -> bool:
    printed = case.memo.setdefault(
        "at_risk rows",
        {row.id for row in case.results.rows if row.statistic == "at_risk" and row.value is not None},
    )
    return at_risk_of(share) in printed


def _too_close(case: Case, times: list[Time], known: Steps | None) -> Iterator[Finding]:
    """The times to leave out, so that all that stay are far enough apart; planned days stay before points."""
    minimum = case.recipient.km_events
    # Every curve starts at 1 on day 0, printed or not.
    kept: list[Time] = [Time(0.0, 1.0, None, None, "", False)]
    for time in times:
        while True:
            events = _events(kept[-1], time, known)
            if known is None and events and not _can_be(kept[-1], time, events):
                events = None
            if events is not None and not 0 < round(events, 6) < minimum - _HALF * (known is None):
                kept.append(time)
                break
            gives_way = kept[-1].is_point and not time.is_point and len(kept) > 1
            gone = kept.pop() if gives_way else time
            if events is None:
                yield UNKNOWN.finding(gone.place, outcome="review")
            else:
                yield STEP.finding(gone.place, most=minimum - 1, minimum=minimum)
            if not gives_way:
                break


def _can_be(before: Time, after: Time, events: float) -> bool:
    """Whether the arm holds as many persons as the limits say: narrower ones were not computed from it."""
    share = 1.0 - after.survival / before.survival
    return after.persons is not None and events <= share * after.persons * (1.0 + _SLACK) + _HALF


def _events(before: Time, after: Time, known: Steps | None) -> float | None:
    if known is None:
        return reconstructed_events(before, after)
    return float(sum(count for day, _, count in known if before.day < day <= after.day))


def reconstructed_events(before: Time, after: Time) -> float | None:
    """The events between two times as the curve and its log-log limits tell them; None without limits."""
    if after.survival >= before.survival - 1e-12:
        return 0.0
    sums = [_greenwood(before), _greenwood(after)]
    if sums[0] is None or sums[1] is None:
        return None
    p, added = 1.0 - after.survival / before.survival, sums[1] - sums[0]
    if p >= 1.0 or added <= 0:
        return None
    return p * p / ((1.0 - p) * added)


def _greenwood(time: Time) -> float | None:
    """The sum of d/(n(n-d)) up to the time, from 95% log-log limits: log(-log S) +- z * sqrt(sum)/|log S|."""
    if time.survival >= 1.0:
        return 0.0
    limits = (time.low, time.high)
    if time.survival <= 0 or any(one is None or not 0.0 < one < 1.0 for one in limits):
        return None
    low, high = (math.log(-math.log(float(one))) for one in limits if one is not None)
    spread = abs(low - high) / (2.0 * _Z)
    return float((spread * math.log(time.survival)) ** 2)


def _times(results: Results) -> dict[tuple[str, str], list[Time]]:
    """Every printed share of a curve by analysis and arm; of competing events by arm and kind."""
    found: dict[tuple[str, str], list[Time]] = defaultdict(list)
    for one in results.series:
        for statistic, times in _incidences(one).items():
            found[one.analysis, _line(one.part, statistic)] += times
        places = [one.column(name) for name in ("time_days", "survival", "ci_low", "ci_high")]
        if one.kind != "curve" or places[0] is None or places[1] is None:
            continue
        persons = _persons(results, one.row_set)
        for number, values in enumerate(one.points):
            day, survival, low, high = (None if at is None else _float(values[at]) for at in places)
            if day is not None and survival is not None:
                found[one.analysis, one.part].append(
                    Time(day, survival, low, high, point(one.id, number), True, persons)
                )
    for row in results.rows:
        key = row.id.rpartition(".")[2]
        day = _day(key)
        if row.statistic in SHARES_OF_CURVES and row.number is not None and day is not None:
            time = Time(day, 1.0 - row.number, None, None, row.id, False)
            if row.statistic == "survival":
                persons = _persons(results, row.row_set, row.n)
                time = Time(day, row.number, row.ci_low, row.ci_high, row.id, False, persons)
            found[row.analysis, _line(row.group, row.statistic)].append(time)
    return found


def _line(arm: str, statistic: str) -> str:
    """The curve of an arm; two kinds of event make two of it."""
    return f"{arm}{_COMPETING}" if statistic == "competing_incidence" else arm


def _incidences(one: Curve) -> dict[str, list[Time]]:
    """The points of a curve of competing events, by the statistic that they are of."""
    when, found = one.column("time_days"), {}
    for statistic in ("cumulative_incidence", "competing_incidence"):
        place = one.column(statistic)
        if one.kind == "incidence" and when is not None and place is not None:
            shares = [(_float(values[when]), _float(values[place])) for values in one.points]
            found[statistic] = [
                Time(day, 1.0 - share, None, None, point(one.id, number), True)
                for number, (day, share) in enumerate(shares)
                if day is not None and share is not None
            ]
    return found


def _persons(results: Results, row_set: str, n: int | None = None) -> float | None:
    if n is not None:
        return float(n)
    return float(results.row_sets[row_set][0]) if row_set in results.row_sets else None


def _steps(results: Results) -> dict[tuple[str, str], Steps]:
    """(day, at risk, events) by analysis and arm, where the enclave's steps are there."""
    found: dict[tuple[str, str], Steps] = {}
    for one in results.series:
        day, at_risk = one.column("time_days"), one.column("at_risk")
        for column, line in (("events", one.part), ("competing", f"{one.part}{_COMPETING}")):
            events = one.column(column)
            if (
                one.kind in ("steps", "causes")
                and day is not None
                and at_risk is not None
                and events is not None
            ):
                found[one.analysis, line] = sorted(
                    tuple(_float(values[place]) or 0.0 for place in (day, at_risk, events))  # type: ignore[misc]  # of 3
                    for values in one.points
                )
    return found


def _numbers_at_risk(case: Case) -> Iterator[Finding]:
    """The table under a curve and the rows of planned days: one falling number, printed in two places."""
    printed: dict[tuple[str, str], dict[float, tuple[float, list[str]]]] = defaultdict(dict)

    def note(key: tuple[str, str], day: float, count: float, place: str) -> None:
        printed[key].setdefault(day, (count, []))[1].append(place)

    for one in case.results.series:
        when = one.column("time_days")
        if one.kind != "at_risk" or when is None:
            continue
        for number, values in enumerate(one.points):
            for arm, value in zip(one.columns, values, strict=True):
                if arm != "time_days" and isinstance(value, int | float):
                    note((one.analysis, arm), float(values[when]), float(value), point(one.id, number, arm))
    for row in case.results.rows:
        day = _day(row.id.rpartition(".")[2])
        if row.statistic == "at_risk" and row.number is not None and day is not None:
            note((row.analysis, row.group), day, row.number, row.id)
            if row.n is not None:
                note((row.analysis, row.group), 0.0, float(row.n), row.id)
    for _, days in sorted(printed.items()):
        before: float | None = None
        for _, (count, places) in sorted(days.items()):
            if before is not None and case.is_small(before - count):
                yield AT_RISK.finding(places[0], withhold=places, most=case.minimum - 1)
            else:
                before = count


def _float(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _day(key: str) -> float | None:
    number = key.removeprefix("day_")
    return float(number) if key.startswith("day_") and number.isdigit() else None
