"""What a study has, by name: a part of a profile is expected where its condition holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rwd_platform.core.text import Bilingual
from studies.protocol import Protocol
from studies.results import ResultSet

WITHHELD_HERE = Bilingual(
    "汇总版不列出人数过少的结果；见提交主管部门的版本",
    "An aggregate package withholds results of a few; see the version for the authority",
)
DEVICES, COSTS = "device_use", "cost_line"


@dataclass(frozen=True)
class StudyFacts:
    """What conditions look at.

    tables  -- the tables that the lock holds, without rows counting as not held
    tier    -- of row data, as chosen for the recipient
    version -- of the package, from 1
    audience -- authority | aggregate
    withheld -- results of a few were left out of this edition
    """

    protocol: Protocol
    results: ResultSet
    tables: frozenset[str]
    tier: str
    version: int
    audience: str = "authority"
    withheld: bool = False


def _plans(*methods: str) -> Callable[[StudyFacts], bool]:
    return lambda study: any(one.method in methods for one in study.protocol.analyses)


CONDITIONS: Mapping[str, Callable[[StudyFacts], bool]] = {
    "adverse_events": _plans("safety"),
    "authority": lambda study: study.audience == "authority",
    "competing_events": lambda study: study.protocol.outcome.competing is not None,
    "confounding": _plans("balance"),
    "costs": lambda study: COSTS in study.tables,
    "criterion": _plans("performance_criterion"),
    "devices": lambda study: DEVICES in study.tables,
    "later_version": lambda study: study.version > 1,
    "overseas": lambda study: study.protocol.overseas is not None or bool(study.protocol.overseas_series),
    "rows": lambda study: study.tier == "T3",
    "subgroups": _plans("subgroups"),
    "survival": _plans("kaplan_meier", "cox"),
}
