"""What a new treatment costs the insurance fund in its first years: with it, minus without it.

The fund pays a share of each cost, by the class of the item in the reimbursement list: 甲 (A) whole, 乙 (B) after
the patient's first share, 丙 (C) nothing; of what remains, the reimbursement ratio. Deductibles and ceilings
belong to a person's year, not to an aggregate, and are not modelled. Nothing is discounted (Sullivan et al.
2014, Value Health 17:5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from studies.reasons import BAD_ARGUMENT, LENGTHS_DIFFER, CannotEstimate, Reason
from studies.statistics import Floats
from studies.statistics.inputs import numbers
from studies.statistics.options import checked
from studies.statistics.safety.checks import amounts, between

SHARES_EXCEED = Reason(
    "shares_exceed",
    "第 {year} 年各治疗的使用份额之和超过 1。",
    "In year {year} the shares of the treatments add up to more than 1.",
)
ListClass = Literal["A", "B", "C"]  # 甲, 乙, 丙
SHORTEST, LONGEST = 3, 5


@dataclass(frozen=True)
class CostItem:
    """One kind of cost of a treatment, in yuan per treated patient and year.

    list_class: A (甲), B (乙), C (丙); first_share: what the patient pays before reimbursement, for B only.
    """

    name: str
    yuan: float
    list_class: ListClass
    first_share: float = 0.0


@dataclass(frozen=True)
class Treatment:
    """A treatment with its cost items, and its share of the eligible in each year, with and without the new one."""

    name: str
    items: tuple[CostItem, ...]
    share_without: tuple[float, ...]
    share_with: tuple[float, ...]


@dataclass(frozen=True)
class Market:
    """Who may be treated: eligible insured patients in each year, and the fund's reimbursement ratio."""

    eligible: tuple[float, ...]
    reimbursement_ratio: float
    treatments: tuple[Treatment, ...]


@dataclass(frozen=True)
class BudgetImpact:
    """Per year (y,): what the fund and what patients pay without and with the new treatment, and the impact.

    total is the fund's impact over all years; lowest, highest (y,) span the ranges varied, None where none were.
    """

    fund_without: Floats
    fund_with: Floats
    fund_impact: Floats
    patient_impact: Floats
    treated_with: Floats
    total: float
    ranges: tuple[RangeResult, ...]
    lowest: Floats | None
    highest: Floats | None
    method: str


@dataclass(frozen=True)
class RangeResult:
    """The total impact on the fund with one input multiplied by `low` and by `high`, all else at its base."""

    varied: str
    low: float
    high: float
    total_low: float
    total_high: float


def budget_impact(market: Market, *, ranges: Mapping[str, tuple[float, float]] | None = None) -> BudgetImpact:
    """The fund's budget impact over three to five years.

    ranges: factors (low, high) by which an input is multiplied, one at a time: "eligible",
    "reimbursement_ratio", "uptake" (the change of shares that the new treatment brings), or "cost:<treatment>".
    Raises `CannotEstimate` for fewer than three or more than five years, shares outside [0, 1] or adding to
    more than 1, unknown list classes, a first share for a class other than B, and unknown ranges.
    """
    base = _impact(market)
    found, spread = [], []
    for name, (low, high) in (ranges or {}).items():
        if not 0 <= low <= high:
            raise CannotEstimate(BAD_ARGUMENT, argument=name, allowed="0 <= low <= high")
        ends = [_impact(_varied(market, name, factor))[2] for factor in (low, high)]
        spread += ends
        found.append(RangeResult(name, low, high, float(ends[0].sum()), float(ends[1].sum())))
    without, with_new, change, patients, treated = base
    table = np.array(spread) if spread else None
    return BudgetImpact(
        fund_without=without,
        fund_with=with_new,
        fund_impact=change,
        patient_impact=patients,
        treated_with=treated,
        total=float(change.sum()),
        ranges=tuple(sorted(found, key=lambda one: -abs(one.total_high - one.total_low))),
        lowest=None if table is None else np.minimum(change, table.min(axis=0)),
        highest=None if table is None else np.maximum(change, table.max(axis=0)),
        method=f"budget impact on the fund over {len(market.eligible)} years, not discounted",
    )


@checked
def fund_share(item: CostItem, reimbursement_ratio: float) -> float:
    """What the fund pays of one item: yuan x (1 - first share) x ratio; nothing of class C.

    Raises `CannotEstimate` for an unknown class, shares outside [0, 1] and a first share outside class B.
    """
    ratio = between(reimbursement_ratio, "reimbursement_ratio", 0, 1, closed=True)
    first = between(item.first_share, "first_share", 0, 1, closed=True)
    amount = between(item.yuan, "yuan", closed=True)
    if item.list_class not in ("A", "B", "C"):
        raise CannotEstimate(BAD_ARGUMENT, argument="list_class", allowed="A (甲), B (乙), C (丙)")
    if item.list_class != "B" and first != 0:
        raise CannotEstimate(BAD_ARGUMENT, argument="first_share", allowed="0 (A, C)")
    return 0.0 if item.list_class == "C" else amount * (1.0 - first) * ratio


@checked
def eligible_population(
    insured: float,
    *,
    prevalence: float,
    incidence: float,
    years: int,
    eligible_share: float,
    growth: float = 0.0,
) -> tuple[float, ...]:
    """Eligible patients in each year: prevalent in the first, and the newly ill of each later year added.

    insured: people insured in the first year, growing by `growth` a year; prevalence, incidence: shares of
    them; eligible_share: of the ill, those who meet the indication. Nobody leaves the pool: state a lower
    prevalence for a disease that kills within the years. Raises `CannotEstimate` for shares outside [0, 1].
    """
    people = between(insured, "insured")
    sick, new, fit = (
        between(share, name, 0, 1, closed=True)
        for share, name in (
            (prevalence, "prevalence"),
            (incidence, "incidence"),
            (eligible_share, "eligible_share"),
        )
    )
    rate = between(growth, "growth", -1.0, 1.0)
    if not SHORTEST <= years <= LONGEST:
        raise CannotEstimate(BAD_ARGUMENT, argument="years", allowed="3, 4, 5")
    pool, found = people * sick, []
    for year in range(years):
        if year:
            pool += people * (1.0 + rate) ** year * new
        found.append(pool * fit)
    return tuple(found)


def _impact(market: Market) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    eligible = amounts(market.eligible, "eligible")
    years = len(eligible)
    if not SHORTEST <= years <= LONGEST:
        raise CannotEstimate(BAD_ARGUMENT, argument="eligible", allowed="3, 4, 5")
    totals = np.zeros((2, 2, years))  # fund, patient x without, with
    used, treated = np.zeros((2, years)), np.zeros(years)
    for treatment in market.treatments:
        shares = [
            _shares(one, name, years)
            for one, name in (
                (treatment.share_without, "share_without"),
                (treatment.share_with, "share_with"),
            )
        ]
        fund = sum(fund_share(item, market.reimbursement_ratio) for item in treatment.items)
        whole = sum(item.yuan for item in treatment.items)
        for world in (0, 1):
            totals[0, world] += eligible * shares[world] * fund
            totals[1, world] += eligible * shares[world] * (whole - fund)
            used[world] += shares[world]
        treated = treated + eligible * shares[1]
    over = (used > 1.0 + 1e-9).any(axis=0)
    if over.any():
        raise CannotEstimate(SHARES_EXCEED, year=str(int(np.argmax(over)) + 1))
    return totals[0, 0], totals[0, 1], totals[0, 1] - totals[0, 0], totals[1, 1] - totals[1, 0], treated


def _shares(shares: Sequence[float], name: str, years: int) -> Floats:
    column = numbers(shares, name)
    if len(column) != years:
        raise CannotEstimate(LENGTHS_DIFFER, variable=name)
    if ((column < 0) | (column > 1)).any():
        raise CannotEstimate(BAD_ARGUMENT, argument=name, allowed="0 <= share <= 1")
    return column


def _varied(market: Market, name: str, factor: float) -> Market:
    if name == "eligible":
        return replace(market, eligible=tuple(one * factor for one in market.eligible))
    if name == "reimbursement_ratio":
        return replace(market, reimbursement_ratio=min(1.0, market.reimbursement_ratio * factor))
    if name == "uptake":
        moved = tuple(
            replace(
                one,
                share_with=tuple(
                    before + factor * (after - before)
                    for before, after in zip(one.share_without, one.share_with, strict=True)
                ),
            )
            for one in market.treatments
        )
        return replace(market, treatments=moved)
    names = [one.name for one in market.treatments]
    kind, _, treatment = name.partition(":")
    if kind != "cost" or treatment not in names:
        allowed = ["eligible", "reimbursement_ratio", "uptake", *(f"cost:{one}" for one in names)]
        raise CannotEstimate(BAD_ARGUMENT, argument="ranges", allowed=", ".join(allowed))
    dearer = tuple(
        replace(one, items=tuple(replace(item, yuan=item.yuan * factor) for item in one.items))
        if one.name == treatment
        else one
        for one in market.treatments
    )
    return replace(market, treatments=dearer)
