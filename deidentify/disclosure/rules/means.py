"""The mean of a yes or no is a share, and a spread of nothing is everybody's value.

`n = 40, mean 0.025` is one person where 0 and 1 stand for no and yes; nobody says so in a table. A mean is printed with
few decimals: mean times `n` is an interval, and any whole number in it may be the count. A scale that goes from 0 to 1
by itself is looked at for nothing, by a person.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from deidentify.disclosure.findings import Case, Finding, Rule
from deidentify.disclosure.read import Row
from deidentify.disclosure.rules.rates import decimals
from rwd_platform.core.text import Bilingual

MEANS = ("mean",)
SPREADS = ("standard_deviation", "weighted_standard_deviation")
_NEAR = 1e-9

SHARE = Rule(
    "mean_of_yes_or_no",
    Bilingual("可能是是非变量的均值", "Perhaps the mean of a yes or no"),
    Bilingual(
        "如该变量以 0 和 1 记录，均值乘以人数即得到少于 {minimum} 的人数。",
        "If the variable is recorded as 0 and 1, the mean times the persons is a count below {minimum}.",
    ),
    Bilingual(
        "如为是非变量，请改写为人数与百分比后重新检查；否则由输出审核人员确认。",
        "If it is a yes or no, write counts and percent and check again; else let an output checker confirm.",
    ),
)
SAME = Rule(
    "no_spread",
    Bilingual("全体数值相同", "Everybody has the value"),
    Bilingual(
        "标准差为 0：组内每名成员的数值都等于均值。",
        "The standard deviation is 0: each person of the group has the mean as their value.",
    ),
    Bilingual(
        "隐藏该数与均值，或与另一组合并。", "Withhold it and the mean, or merge it with another group."
    ),
)


def find(case: Case) -> Iterator[Finding]:
    for row, _ in case.declared():
        if row.statistic in SPREADS and row.number == 0:
            yield SAME.finding(row.id)
        elif row.statistic in MEANS and _may_be_small(case, row):
            yield SHARE.finding(row.id, outcome="review", minimum=case.minimum)


def _may_be_small(case: Case, row: Row) -> bool:
    """Whether a whole number below the minimum, of those with a yes or of all others, fits the printed mean."""
    mean, persons = row.number, row.n
    if mean is None or not persons or not 0 <= mean <= 1:
        return False
    slack = 0.5 * 10.0 ** -decimals(mean) * persons if 0 < mean < 1 else 0.0
    low, high = mean * persons - slack, mean * persons + slack
    return any(
        max(0, math.ceil(start - _NEAR)) <= end + _NEAR and max(0, math.ceil(start - _NEAR)) < case.minimum
        for start, end in ((low, high), (persons - high, persons - low))
    )
