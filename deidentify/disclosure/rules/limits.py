"""A withheld number's limits are withheld with it: an interval of no width is the number itself."""

from __future__ import annotations

from collections.abc import Iterator

from deidentify.disclosure.findings import Case, Finding, Rule
from rwd_platform.core.text import Bilingual

RULE = Rule(
    "limits_of_withheld",
    Bilingual("隐藏的数仍附有区间", "Limits of a withheld number"),
    Bilingual(
        "该数已隐藏，但置信区间仍在，可据此推算。",
        "The number is withheld and its limits are printed: they tell it.",
    ),
    Bilingual("将区间的上下限一并隐藏。", "Withhold both limits as well."),
)


def find(case: Case) -> Iterator[Finding]:
    """A quantile that was not reached is a result, with a lower limit: rules/single_values.py asks about that."""
    for row, field in case.declared():
        has_limits = row.ci_low is not None or row.ci_high is not None
        if row.value is None and has_limits and field.type != "quantile":
            yield RULE.finding(row.id)
