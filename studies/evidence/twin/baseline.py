"""Who the twin's subjects are: a value of each covariate, from what the protocol says about it and nothing else.

A protocol names levels, units, windows, the limits of its populations, the ages of its criteria and the means of
published series. Where it says nothing of a number's size, the number lies between 0 and 100.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from studies.cohorts.definition import Test
from studies.evidence.twin.draw import Draw
from studies.protocol import Covariate, DefinedCohort, Protocol

AGE_COLUMN, GENDER_COLUMN = "age_years", "gender"
_LOW, _HIGH = 0, 100
_YOUNGEST, _OLDEST = 18, 90
_STEPS = 20  # a range has at least so many steps
_SHARE = 35  # per cent with a record, where nothing is said
NEED_MIDDLE = 4  # of 0..9
Baseline = float | int | str


@dataclass(frozen=True)
class Range:
    """Whole numbers from `low` to `high`, in units of 1 / `scale`; `limits` are worth hitting exactly."""

    low: int
    high: int
    scale: int
    limits: tuple[int, ...] = ()


def value_of(covariate: Covariate, protocol: Protocol, need: int, draw: Draw) -> Baseline:
    """A number, a level's id, or 1 and 0. `need` (0 to 9) is what makes arm, value and outcome go together."""
    tilt = need - NEED_MIDDLE
    if covariate.type == "record":
        share = _published(protocol, covariate.name)
        return int(draw.chance(min(95, max(5, (_SHARE if share is None else round(100 * share)) + 2 * tilt))))
    if covariate.levels:
        return _level(covariate, protocol, tilt, draw)
    return number_in(range_of(covariate, protocol), tilt, draw)


def number_in(span: Range, tilt: int, draw: Draw) -> float:
    """One in eight lies on a limit of a population or beside it."""
    if span.limits and draw.chance(12):
        whole = draw.one_of(span.limits) + draw.between(-1, 1)
    else:
        whole = draw.middling(span.low, span.high) + tilt * (span.high - span.low) // 60
    return min(span.high, max(span.low, whole)) / span.scale


def range_of(covariate: Covariate, protocol: Protocol) -> Range:
    published = next(
        (
            one
            for series in protocol.overseas_series
            for one in series.covariates
            if one.name == covariate.name and one.sd
        ),
        None,
    )
    limits = list(_limits(covariate.name, protocol))
    youngest, oldest = ages(protocol)
    if published is not None and published.sd:
        mean, sd = Fraction(str(published.mean)), Fraction(str(published.sd))
        low, high = mean - 3 * sd, mean + 3 * sd
        if published.mean > 0:
            low = max(low, Fraction(0))
        if covariate.column == AGE_COLUMN:  # whoever is in a lock has met the criteria
            low, high = max(low, Fraction(youngest)), min(high, Fraction(oldest))
            low, high = (low, high) if low < high else (Fraction(youngest), Fraction(oldest))
    elif covariate.column == AGE_COLUMN:
        low, high = Fraction(youngest), Fraction(oldest)
    else:
        low = min([Fraction(_LOW), *(2 * one for one in limits)])
        high = max([2 * one for one in limits if one > 0], default=Fraction(_HIGH))
    scale = 1
    # Ages are completed years.
    while covariate.column != AGE_COLUMN and (high - low) * scale < _STEPS:
        scale *= 10
    inside = tuple(sorted({round(one * scale) for one in limits if low <= one <= high}))
    return Range(round(low * scale), round(high * scale), scale, inside)


def _limits(name: str, protocol: Protocol) -> Iterator[Fraction]:
    for population in protocol.populations:
        for one in population.restrictions:
            if one.covariate == name:
                found = (one.more_than, one.at_least, one.less_than, one.at_most)
                yield from (Fraction(str(limit)) for limit in found if limit is not None)


def _published(protocol: Protocol, name: str) -> float | None:
    """The share that a published series has."""
    found = [one for series in protocol.overseas_series for one in series.covariates if one.name == name]
    return found[0].mean if found else None


def _level(covariate: Covariate, protocol: Protocol, tilt: int, draw: Draw) -> str:
    """In hundredths: the published shares, the rest in equal parts; later levels for those of greater need."""
    names = [level.id for level in covariate.levels]
    shares = [_published(protocol, f"{covariate.name}.{name}") for name in names]
    left = max(0, 100 - sum(round(100 * one) for one in shares if one is not None))
    open_ = max(1, sum(one is None for one in shares))
    weights = [left // open_ if one is None else round(100 * one) for one in shares]
    tilted = [max(5, weight + tilt * (2 * at - len(names) + 1)) for at, weight in enumerate(weights)]
    at = draw.below(sum(tilted))
    for name, weight in zip(names, tilted, strict=True):
        if at < weight:
            return name
        at -= weight
    return names[-1]


def ages(protocol: Protocol) -> tuple[int, int]:
    """The completed years that the cohort's criteria allow."""
    low, high = _YOUNGEST, _OLDEST
    if isinstance(protocol.cohort, DefinedCohort):
        for test in _tests(protocol.cohort):
            low, high = _narrowed(test, low, high)
    else:
        for one in protocol.cohort.criteria:
            if one.kind == "age":
                low = low if one.at_least is None else one.at_least
                high = high if one.at_most is None else one.at_most
    return low, max(high, low + _STEPS if high < low else high)


def _tests(cohort: DefinedCohort) -> Iterator[Test]:
    for rule in cohort.definition.rules:
        if rule.group.operator == "all":
            yield from rule.group.all_tests()


def _narrowed(test: Test, low: int, high: int) -> tuple[int, int]:
    if not test.column.endswith("age") or not all(isinstance(one, int | float) for one in test.values):
        return low, high
    values = [int(one) for one in test.values]
    if test.operator in ("ge", "gt"):
        return values[0] + (test.operator == "gt"), high
    if test.operator in ("le", "lt"):
        return low, values[0] - (test.operator == "lt")
    if test.operator == "between":
        return values[0], values[1]
    return low, high


def genders(protocol: Protocol) -> tuple[str, ...]:
    if not isinstance(protocol.cohort, DefinedCohort):
        for one in protocol.cohort.criteria:
            if one.kind == "gender" and one.values:
                return one.values
    return ("female", "male")
