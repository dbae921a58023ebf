"""A report of a run as it may be shown: no small count of persons, and nothing that is computed from one.

Counts are rounded to multiples of a base; from 1 to below the minimum they are withheld (None). Where a single part
of a whole would be withheld, the next smallest goes with it, or a subtraction would tell it. Differences and shares
are computed again from what is shown; where a count of disagreeing pairs is withheld, only the upper bound is told,
as if it were the largest that is withheld. A count withheld in one table can still be bounded, to within the rounding,
by subtracting counts of other tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from studies.linkage.charts import DISAGREE, LINKED
from studies.linkage.comparison import PARTITIONS, difference
from studies.linkage.errors import share


@dataclass(frozen=True)
class Protection:
    """From 1 to below `minimum` a count is withheld; others are rounded to multiples of `base` (0: exact)."""

    minimum: int
    base: int

    def one(self, count: int) -> int | None:
        if 0 < count < self.minimum:
            return None
        return (count + self.base // 2) // self.base * self.base if self.base else count

    def parts(self, counts: Mapping[str, int]) -> dict[str, int | None]:
        """The parts of a whole that is shown too."""
        kept = {name: self.one(count) for name, count in counts.items()}
        if sum(one is None for one in kept.values()) == 1:
            rest = [name for name, one in kept.items() if one]
            if rest:
                kept[min(rest, key=lambda name: (counts[name], name))] = None
        return kept


def shown(report: Mapping[str, Any], minimum: int, base: int) -> dict[str, Any]:
    """The report of `run.LinkageReport.as_dict` (also after JSON) without small counts, with `minimum` and `base`."""
    policy = Protection(minimum, base)
    account = report["account"]
    return {
        **report,
        "account": {
            "sources": [_source(one, policy) for one in account["sources"]],
            "charts": policy.one(account["charts"]),
            "persons": policy.one(account["persons"]),
            "persons_by_roles": policy.parts(account["persons_by_roles"]),
            "pairs": [
                {**one, **_counts(one, (LINKED, DISAGREE, "undecided"), policy)} for one in account["pairs"]
            ],
            "conflicts": policy.parts(account["conflicts"]),
        },
        "comparisons": [_comparison(one, policy) for one in report["comparisons"]],
        "errors": [_error(one, policy) for one in report["errors"]],
        "withdrawn": policy.one(report["withdrawn"]),
        "minimum": minimum,
        "base": base,
    }


def _source(source: Mapping[str, Any], policy: Protection) -> dict[str, Any]:
    return {**source, "charts": policy.one(source["charts"]), "states": policy.parts(source["states"])}


def _counts(row: Mapping[str, Any], names: Iterable[str], policy: Protection) -> dict[str, int | None]:
    return {name: policy.one(row[name]) for name in names}


def _comparison(comparison: Mapping[str, Any], policy: Protection) -> dict[str, Any]:
    sizes = _counts(comparison, ("linked", "unlinked"), policy)
    levels: list[Mapping[str, Any]] = list(comparison["levels"])
    kept: dict[tuple[str, str], tuple[int | None, int | None]] = {}
    for name in dict.fromkeys(level["characteristic"] for level in levels):
        of_name = [level for level in levels if level["characteristic"] == name]
        sides = [_side(of_name, side, name in PARTITIONS, policy) for side in ("linked", "unlinked")]
        kept |= {
            (name, level["value"]): (sides[0][level["value"]], sides[1][level["value"]]) for level in of_name
        }
    again = [
        {
            "characteristic": level["characteristic"],
            "value": level["value"],
            "linked": linked,
            "unlinked": unlinked,
            "difference": _difference(linked, unlinked, sizes),
        }
        for level in levels
        for linked, unlinked in (kept[level["characteristic"], level["value"]],)
    ]
    return {"base": comparison["base"], "to": comparison["to"], **sizes, "levels": again}


def _side(
    levels: Sequence[Mapping[str, Any]], side: str, is_partition: bool, policy: Protection
) -> dict[str, int | None]:
    counts = {level["value"]: level[side] for level in levels}
    if is_partition:
        return policy.parts(counts)
    return {value: policy.one(count) for value, count in counts.items()}


def _difference(linked: int | None, unlinked: int | None, sizes: Mapping[str, int | None]) -> float | None:
    first, second = sizes["linked"], sizes["unlinked"]
    if linked is None or unlinked is None or first is None or second is None:
        return None
    # A rounded part can be greater than its rounded whole.
    return difference(min(linked, first), first, min(unlinked, second), second)


def _error(error: Mapping[str, Any], policy: Protection) -> dict[str, Any]:
    counts = error["counts"]
    told = {name: counts[name] for name in ("birth_date", "gender", "both")}
    parts = policy.parts(told)
    pairs = policy.one(counts["pairs"])
    disagree = policy.one(sum(told.values()))
    # With all its digits a chance of few pairs is a count; what passes by chance is small, and must not become 0.
    chances = [round(counts[name], 3) for name in ("any_random", "both_random")]
    passes = float(f"{1 - counts['any_random']:.2g}")
    # The largest that each may be where it is withheld; a part may be withheld for the sake of a smaller one.
    most = policy.minimum - 1 if disagree is None else disagree + policy.base
    by_both = _bounded(parts["both"], most, pairs, chances[1])
    by_any = _bounded(disagree, most, pairs, chances[0])
    agreeing = None if pairs is None else pairs - (most if disagree is None else disagree)
    return {
        "roles": error["roles"],
        "counts": {
            **parts,
            "pairs": pairs,
            "disagree": disagree,
            "any_random": None if pairs is None else chances[0],
            "both_random": None if pairs is None else chances[1],
        },
        "false_pairs": by_both,
        "at_most": by_any,
        "false_links": _among(by_both, pairs, agreeing, passes),
        "links_at_most": _among(by_any, pairs, agreeing, passes),
    }


def _bounded(found: int | None, most: int, pairs: int | None, chance: float) -> dict[str, Any] | None:
    if pairs is None:
        return None
    counted = share(min(most if found is None else found, pairs), pairs, chance)
    if counted is None:
        return None
    hidden = found is None
    return {
        "estimate": None if hidden else counted.estimate,
        "low": 0.0 if hidden else counted.low,
        "high": counted.high,
    }


def _among(
    false: Mapping[str, Any] | None, pairs: int | None, agreeing: int | None, passes: float
) -> dict[str, Any] | None:
    if false is None or not pairs or not agreeing or agreeing < 0:
        return None
    factor = pairs * passes / agreeing
    return {name: None if one is None else min(1.0, one * factor) for name, one in false.items()}
