"""DRG and DIP: what a group's cases cost against what the fund pays for them, and which cases fall outside.

Regions differ in when a case is an outlier and in how it is then paid, so both are data (`PaymentRule`): a
"high" case costs at least `high_multiple` times the group's standard, a "low" one at most `low_multiple`.
The sheet supports a request to pay a new product apart (除外支付) or to review a case alone (特例单议): it shows
the cost with and without the product.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, CannotEstimate, Reason
from studies.statistics import Bools, Floats
from studies.statistics.inputs import labels, yes_no
from studies.statistics.options import checked
from studies.statistics.safety.checks import amounts, between, one_of

NO_STANDARD = Reason(
    "no_standard",
    "病组“{group}”没有支付标准。",
    "There is no payment standard for the group '{group}'.",
)
Kind = Literal["low", "inlier", "high"]


@dataclass(frozen=True)
class PaymentRule:
    """The region's rule. `source` names its document.

    low cases: "actual" pays what the case cost, "standard" the standard. High cases: "standard" pays the
    standard alone; "excess" adds what the cost exceeds high_multiple x standard, times `excess_share`.
    """

    high_multiple: float
    low_multiple: float
    low_payment: str
    high_payment: str
    source: str
    excess_share: float = 1.0


@dataclass(frozen=True)
class GroupSheet:
    """One group (病组/病种): number of cases by kind, sums in yuan, and the mean gain of a case with its error.

    gain = paid - cost: negative means the hospital lost. `with_product` and `without_product` hold mean cost and
    mean gain of the cases that used the product and that did not; None where there was none of them.
    """

    group: Hashable
    standard: float
    cases: int
    low: int
    high: int
    cost: float
    paid: float
    gain: float
    mean_gain: float
    se_gain: float | None
    high_cost_share: float
    with_product: tuple[int, float, float] | None
    without_product: tuple[int, float, float] | None


@dataclass(frozen=True)
class OutlierSheet:
    """kind (n,), paid (n,), gain (n,) of the cases, in their order; and the groups, largest loss first."""

    kind: tuple[Kind, ...]
    paid: Floats
    gain: Floats
    groups: tuple[GroupSheet, ...]
    total_gain: float
    method: str


def outlier_sheet(
    cost: npt.ArrayLike,
    group: Sequence[Hashable] | npt.ArrayLike,
    *,
    standards: Mapping[Hashable, float],
    rule: PaymentRule,
    product: npt.ArrayLike | None = None,
) -> OutlierSheet:
    """Outliers, payments and gains of n cases: cost (n,) in yuan, group (n,), product (n,) 0/1 (used it).

    standards: payment standard of each group in yuan: weight x rate for DRG, points x point value for DIP.
    Raises `CannotEstimate` for a group without a standard, a rule whose multiples are not
    0 <= low < 1 < high, an unknown payment and bad columns.
    """
    money = amounts(cost, "cost")
    groups = labels(group, "group", len(money))
    used = None if product is None else yes_no(product, "product", len(money))
    _check_rule(rule)
    per_group = []
    for level in groups.levels:
        if level not in standards:
            raise CannotEstimate(NO_STANDARD, group=str(level))
        per_group.append(between(standards[level], "standards"))
    standard = np.array(per_group)[groups.codes]
    high, low = money >= rule.high_multiple * standard, money <= rule.low_multiple * standard
    paid = standard.copy()
    if rule.low_payment == "actual":
        paid = np.where(low, money, paid)
    if rule.high_payment == "excess":
        beyond = rule.excess_share * (money - rule.high_multiple * standard)
        paid = np.where(high, standard + beyond, paid)
    gain = paid - money
    sheets = [
        _sheet(level, per_group[code], money, paid, (low, high), used, groups.codes == code)
        for code, level in enumerate(groups.levels)
    ]
    kind: list[Kind] = ["high" if h else "low" if few else "inlier" for h, few in zip(high, low, strict=True)]
    return OutlierSheet(
        kind=tuple(kind),
        paid=paid,
        gain=gain,
        groups=tuple(sorted(sheets, key=lambda one: (one.gain, str(one.group)))),
        total_gain=float(gain.sum()),
        method=f"high >= {rule.high_multiple:g} x standard ({rule.high_payment}), low <= {rule.low_multiple:g} x"
        f" standard ({rule.low_payment}); {rule.source}",
    )


@checked
def drg_standard(weight: float, rate: float) -> float:
    """A DRG's payment standard: relative weight x base rate (yuan). Raises for numbers that are not positive."""
    return between(weight, "weight") * between(rate, "rate")


@checked
def dip_standard(points: float, point_value: float, *, hospital_coefficient: float = 1.0) -> float:
    """A DIP's payment standard: points x point value (yuan) x the hospital's coefficient. Raises as above."""
    amount = between(points, "points") * between(point_value, "point_value")
    return amount * between(hospital_coefficient, "hospital_coefficient")


def _check_rule(rule: PaymentRule) -> None:
    between(rule.high_multiple, "high_multiple", 1)
    low = between(rule.low_multiple, "low_multiple", 0, 1, closed=True)
    if low == 1:
        raise CannotEstimate(BAD_ARGUMENT, argument="low_multiple", allowed="0 <= low_multiple < 1")
    one_of(rule.low_payment, "low_payment", ("actual", "standard"))
    one_of(rule.high_payment, "high_payment", ("standard", "excess"))
    between(rule.excess_share, "excess_share", 0, 1, closed=True)


def _sheet(
    level: Hashable,
    standard: float,
    money: Floats,
    paid: Floats,
    outside: tuple[Bools, Bools],
    used: Bools | None,
    mine: Bools,
) -> GroupSheet:
    cost, received = money[mine], paid[mine]
    gain = received - cost
    low, high = (kind[mine] for kind in outside)

    def part(rows: Bools) -> tuple[int, float, float] | None:
        if not rows.any():
            return None
        return int(rows.sum()), float(cost[rows].mean()), float(gain[rows].mean())

    total = float(cost.sum())
    return GroupSheet(
        group=level,
        standard=standard,
        cases=len(cost),
        low=int(low.sum()),
        high=int(high.sum()),
        cost=total,
        paid=float(received.sum()),
        gain=float(gain.sum()),
        mean_gain=float(gain.mean()),
        se_gain=float(gain.std(ddof=1)) / math.sqrt(len(gain)) if len(gain) > 1 else None,
        high_cost_share=float(cost[high].sum()) / total if total > 0 else 0.0,
        with_product=None if used is None else part(used[mine]),
        without_product=None if used is None else part(~used[mine]),
    )
