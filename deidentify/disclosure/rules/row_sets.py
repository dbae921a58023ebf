"""The sets of persons that results name: none is small, and no two differ by a few.

Where their members are known, differencing.py counts who differs. By their sizes alone, a set named as a part of
another (`all.exposed` of `all`) is one, and two others may be: a person looks.
"""

from __future__ import annotations

from collections.abc import Iterator

from deidentify.disclosure.findings import Case, Finding, Outcome, Rule
from rwd_platform.core.text import Bilingual

SMALL = Rule(
    "row_set_small",
    Bilingual("人群过小", "A small set of persons"),
    Bilingual("该人群在 1 至 {most} 人之间。", "The set holds between 1 and {most} persons."),
    Bilingual("不发布该人群的结果。", "Leave out the results of this set."),
)
APART = Rule(
    "row_sets_apart",
    Bilingual("人群相差过少", "Sets of persons that differ by a few"),
    Bilingual(
        "该人群与同一文件中的另一人群只差 1 至 {most} 人，相减可得这几个人的结果。",
        "The size of this set differs from another of the same file by 1 to {most}: by subtraction a few are told.",
    ),
    Bilingual(
        "只保留其中一个人群，或在安全环境中逐人比较。",
        "Keep one of the two, or compare them person by person in the enclave.",
    ),
)


def find(case: Case) -> Iterator[Finding]:
    sizes = {name: count for name, (count, _) in case.results.row_sets.items()}
    for name, count in sizes.items():
        if case.is_small(count):
            yield SMALL.finding(f"row_sets.{name}", most=case.minimum - 1)
    if case.sets_are_known:
        return
    names = sorted(name for name in sizes if not case.is_small(sizes[name]))
    hashes = {name: digest for name, (_, digest) in case.results.row_sets.items()}
    for place, name in enumerate(names):
        for other in names[:place]:
            if not case.is_small(abs(sizes[name] - sizes[other])) or _are_arms(name, other):
                continue
            if hashes[name] and hashes[name] == hashes[other]:
                continue
            outcome: Outcome = "fail" if name.startswith(f"{other}.") or not other else "review"
            yield APART.finding(f"row_sets.{name}", outcome=outcome, most=case.minimum - 1)
            break


def _are_arms(one: str, other: str) -> bool:
    """Two arms of one population have nobody in common."""
    whole, _, arm = one.rpartition(".")
    other_whole, _, other_arm = other.rpartition(".")
    return whole == other_whole and {arm, other_arm} == {"exposed", "comparator"}
