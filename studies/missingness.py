"""How much of each variable is missing among everybody in the lock, whatever else keeps them out of the analysis.

Attrition tells who left at which step, one after the other; here each variable is asked on its own, so that the same
subject may be missing in several. A `record` covariate says no where there is no record: it is never missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from rwd_platform.core.columns import SUBJECT_ID
from rwd_platform.core.text import Bilingual
from studies.attrition import Attrition
from studies.covariates import derive_covariate
from studies.exposure import derive_exposure
from studies.outcome import derive_outcome
from studies.protocol import Protocol
from studies.tables import SUBJECT_TABLE, in_days, table, with_source_rows

_START = Bilingual("数据锁定中的受试者", "Subjects in the lock")
_ANY = Bilingual("以上任一项", "Any of these")
ANY = "any"


@dataclass(frozen=True)
class Missing:
    """One variable. `subjects` are all in the lock; the arms count those whose exposure could be derived."""

    variable: str
    title: Bilingual
    subjects: int
    missing: int
    exposed: int
    exposed_missing: int
    comparator: int
    comparator_missing: int


def missingness(lock: Mapping[str, pd.DataFrame], protocol: Protocol) -> tuple[Missing, ...]:
    """Exposure, outcome, each covariate that can be missing, and any of them; in the protocol's order.

    `lock` as `studies.dataset.build` takes it: days, or shifted dates.
    """
    lock = in_days(with_source_rows(lock))
    everybody = sorted(set(table(lock, SUBJECT_TABLE, (SUBJECT_ID,))[SUBJECT_ID]))
    arms = derive_exposure(lock, protocol.exposure, Attrition.of(everybody, _START)).exposed

    def with_value(derive: Callable[[Attrition], object]) -> set[str]:
        attrition = Attrition.of(everybody, _START)
        derive(attrition)
        return set(attrition.ids)

    held: list[tuple[str, Bilingual, set[str]]] = [
        (protocol.exposure.name, protocol.exposure.title, set(arms)),
        (
            protocol.outcome.name,
            protocol.outcome.title,
            with_value(lambda attrition: derive_outcome(lock, protocol.outcome, attrition)),
        ),
    ]
    for one in protocol.covariates:
        if one.kind != "record":
            there = with_value(lambda attrition, one=one: derive_covariate(lock, one, attrition))  # type: ignore[misc]  # mypy cannot infer lambdas with defaults
            held.append((one.name, one.title, there))
    held.append((ANY, _ANY, set.intersection(*(there for _, _, there in held))))
    return tuple(_counted(name, title, there, everybody, arms) for name, title, there in held)


def _counted(
    name: str, title: Bilingual, there: set[str], everybody: list[str], arms: Mapping[str, int]
) -> Missing:
    by_arm = {arm: [one for one in everybody if arms.get(one) == arm] for arm in (1, 0)}
    counts = {arm: (len(ids), sum(one not in there for one in ids)) for arm, ids in by_arm.items()}
    absent = sum(one not in there for one in everybody)
    return Missing(name, title, len(everybody), absent, *counts[1], *counts[0])
