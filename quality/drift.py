"""Drift: does a hospital's newest upload, or a hospital, fall into the same bins as what it is compared with?

The statistic is the population stability index, sum over bins of (p - q) ln(p / q), of shares with half a row
added to each bin, so that an empty one stays finite. Without drift it is near (bins - 1)(1/n + 1/m): a rule
names the rows that both sides must have (`min_rows`) so that this stays far below its `limit`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from quality.report import Distribution
from quality.rules import Rule

Counts = Mapping[str, int]


@dataclass(frozen=True)
class Drift:
    """`comparisons` that could be made, `drifted` of them beyond the limit, the largest index of them."""

    comparisons: int
    drifted: int
    statistic: float | None


NONE = Drift(0, 0, None)


def stability_index(these: Counts, those: Counts) -> float:
    """The population stability index of two distributions over the same bins; 0 when they are alike."""
    bins = sorted({*these, *those})
    n, m = (sum(counts.values()) + len(bins) / 2 for counts in (these, those))
    pairs = [((these.get(name, 0) + 0.5) / n, (those.get(name, 0) + 0.5) / m) for name in bins]
    return math.fsum((p - q) * math.log(p / q) for p, q in pairs)


def drifts(rule: Rule, distributions: Sequence[Distribution]) -> dict[str | None, Drift]:
    """The rule's drift in each hospital, and (None) of all hospitals together."""
    mine = [one for one in distributions if one.rule == rule.id]
    by_hospital: dict[str, list[Counts]] = defaultdict(list)
    for one in mine:
        by_hospital[one.organisation_id].append(one.counts)
    compare = _uploads if rule.kind == "drift_uploads" else _hospitals
    found: dict[str | None, Drift] = {}
    for hospital in by_hospital:
        these, those = compare(hospital, by_hospital)
        found[hospital] = _drift(rule, these, those)
    made = [one.statistic for one in found.values() if one.statistic is not None]
    found[None] = Drift(len(made), sum(one.drifted for one in found.values()), max(made, default=None))
    return found


def _uploads(hospital: str, by_hospital: Mapping[str, Sequence[Counts]]) -> tuple[Counts, Counts]:
    """The newest upload that brought anything, and all before it."""
    brought = [counts for counts in by_hospital[hospital] if sum(counts.values())]
    return (brought[-1] if brought else {}), _together(brought[:-1])


def _hospitals(hospital: str, by_hospital: Mapping[str, Sequence[Counts]]) -> tuple[Counts, Counts]:
    """A hospital, and all others together."""
    others = [counts for name, listed in by_hospital.items() if name != hospital for counts in listed]
    return _together(by_hospital[hospital]), _together(others)


def _together(listed: Sequence[Counts]) -> Counts:
    total: dict[str, int] = defaultdict(int)
    for counts in listed:
        for name, count in counts.items():
            total[name] += count
    return total


def _drift(rule: Rule, these: Counts, those: Counts) -> Drift:
    if min(sum(these.values()), sum(those.values())) < max(rule.min_rows, 1):
        return NONE
    index = stability_index(these, those)
    return Drift(1, int(index > rule.limit), index)
