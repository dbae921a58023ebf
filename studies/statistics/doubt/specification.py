"""One question, many reasonable ways to answer it: the set of specifications, in order, for its figure.

Source: Simonsohn, Simmons & Nelson (2020), Specification curve analysis, Nature Human Behaviour 4:1208-1214,
for the descriptive part. The choices (time zero, population, estimator, outcome definition, ...) are named
in the protocol. Specifications share the same patients, so their spread is no sampling error, and no
joint p-value is given here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from studies.reasons import BAD_ARGUMENT, NOTHING_TO_COMPARE, CannotEstimate, Reason
from studies.statistics.bridging.arguments import number
from studies.statistics.options import checked

CHOICES_DIFFER = Reason(
    "choices_differ",
    "各分析方案没有对同一组选项逐一作出选择。",
    "The specifications do not each decide the same list of choices.",
)
SPECIFIED_TWICE = Reason(
    "specified_twice", "有两个分析方案的选择完全相同。", "Two specifications make exactly the same choices."
)
NOT_AMONG_THEM = Reason(
    "primary_not_among_them",
    "主要分析不在所列的分析方案之中。",
    "The primary analysis is not among the specifications listed.",
)


@dataclass(frozen=True)
class Specification:
    """One way to analyse: `choices` maps each decision ("time zero") to what was chosen ("first dose").

    value, lower, upper -- the estimate and limits on one common scale; all None, with a `reason`, where the
    analysis could not be done. Such a specification is shown and counted, never dropped.
    """

    choices: Mapping[str, str]
    value: float | None = None
    lower: float | None = None
    upper: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class ChoiceEffect:
    """How the result depends on one option of one decision: the median over its `n` specifications."""

    decision: str
    option: str
    n: int
    median: float


@dataclass(frozen=True)
class SpecificationSet:
    """The specifications in the order of the figure, and what they have in common.

    ordered -- those with a result, from the smallest to the largest; `rank_of_primary` counts from 1.
    same_direction, significant -- shares of those with a result: on the side of `null` on which the
        median lies; and with an interval that leaves `null` out. `significant_same_direction` is both.
    """

    ordered: tuple[Specification, ...]
    not_done: tuple[Specification, ...]
    median: float
    smallest: float
    largest: float
    same_direction: float
    significant: float
    significant_same_direction: float
    primary: Specification
    rank_of_primary: int | None
    by_choice: tuple[ChoiceEffect, ...]
    null: float
    method: str


@checked
def specification_set(
    specifications: Sequence[Specification], *, primary: Mapping[str, str], null: float
) -> SpecificationSet:
    """Order the specifications by estimate and describe them against `null` (1 for ratios, 0 for differences).

    `primary` are the choices of the pre-specified main analysis: it must be in the list.
    Raises `CannotEstimate` where none has a result, decisions differ, two are the same, limits do not
    enclose their estimate or one lacks both a result and a reason.
    """
    aim = number(null, "null")
    _check(specifications)
    same = [one for one in specifications if dict(one.choices) == dict(primary)]
    if not same:
        raise CannotEstimate(NOT_AMONG_THEM)
    done = [(one.value, one) for one in specifications if one.value is not None]
    if not done:
        raise CannotEstimate(NOTHING_TO_COMPARE)
    # Ties keep the order of the list, so that the figure is the same on every run.
    done.sort(key=lambda pair: pair[0])
    values = [value for value, _ in done]
    median = _median(values)
    side = math.copysign(1.0, median - aim) if median != aim else 0.0
    along = [(value - aim) * side > 0 for value in values]
    clear = [_excludes(one, aim) for _, one in done]
    ranks = [rank for rank, (_, one) in enumerate(done, start=1) if one is same[0]]
    return SpecificationSet(
        ordered=tuple(one for _, one in done),
        not_done=tuple(one for one in specifications if one.value is None),
        median=median,
        smallest=values[0],
        largest=values[-1],
        same_direction=sum(along) / len(done),
        significant=sum(clear) / len(done),
        significant_same_direction=sum(a and c for a, c in zip(along, clear, strict=True)) / len(done),
        primary=same[0],
        rank_of_primary=ranks[0] if ranks else None,
        by_choice=_by_choice([one for _, one in done]),
        null=aim,
        method=f"{len(done)} of {len(specifications)} specifications with a result, null value {aim:g}",
    )


def _check(specifications: Sequence[Specification]) -> None:
    if not specifications:
        raise CannotEstimate(NOTHING_TO_COMPARE)
    decisions = set(specifications[0].choices)
    seen: set[tuple[tuple[str, str], ...]] = set()
    for one in specifications:
        if set(one.choices) != decisions:
            raise CannotEstimate(CHOICES_DIFFER)
        key = tuple(sorted(one.choices.items()))
        if key in seen:
            raise CannotEstimate(SPECIFIED_TWICE)
        seen.add(key)
        if one.value is None:
            if not one.reason or one.lower is not None or one.upper is not None:
                raise CannotEstimate(BAD_ARGUMENT, argument="value", allowed="value | reason")
            continue
        value = number(one.value, "value")
        if one.lower is not None:
            number(one.lower, "lower", high=value)
        if one.upper is not None:
            number(one.upper, "upper", low=value)


def _excludes(one: Specification, null: float) -> bool:
    return (one.lower is not None and one.lower > null) or (one.upper is not None and one.upper < null)


def _median(ordered: Sequence[float]) -> float:
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2.0


def _by_choice(done: Sequence[Specification]) -> tuple[ChoiceEffect, ...]:
    effects = []
    for decision in done[0].choices:
        for option in dict.fromkeys(one.choices[decision] for one in done):
            # `done` is in order already, so each subset is too.
            values = [one.value for one in done if one.choices[decision] == option and one.value is not None]
            effects.append(ChoiceEffect(decision, option, len(values), _median(values)))
    return tuple(effects)
