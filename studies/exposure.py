"""Which arm each subject is in, by what was dispensed in the grace days after the index date."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from rwd_platform.core.columns import SUBJECT_ID
from rwd_platform.core.text import Bilingual
from studies.attrition import Attrition
from studies.protocol import Exposure, Records
from studies.tables import lineage_of, lock_rows

_PREVALENT = Bilingual("起始日前已使用研究产品", "Used the product before the index date")
_CONTRADICTION = Bilingual("用药记录互相矛盾", "The records of the exposure contradict each other")
_BOTH = Bilingual("同时使用研究产品和对照", "Had both the product and the comparator")
_NEITHER = Bilingual("既未使用研究产品也未使用对照", "Had neither the product nor the comparator")


@dataclass(frozen=True)
class Exposed:
    """`exposed`: subject_id -> 1 or 0. Absence of a record has no source line, so it has no lineage."""

    exposed: dict[str, int]
    lineage: pd.DataFrame


def derive_exposure(lock: Mapping[str, pd.DataFrame], exposure: Exposure, attrition: Attrition) -> Exposed:
    """Assign arms; those who cannot be assigned leave `attrition` with the reason."""
    rows = lock_rows(lock, exposure.records, any_status=True)
    valid = rows["status"].isin(list(exposure.records.statuses))
    in_grace = rows["day"].between(*exposure.grace_days)
    users = rows[valid & in_grace]
    if exposure.washout_days is not None:
        before = rows["day"].between(-exposure.washout_days, min(-1, exposure.grace_days[0] - 1))
        attrition.drop(rows.loc[valid & before, SUBJECT_ID], _PREVALENT)
    if exposure.contradicting_statuses:
        against = rows["status"].isin(list(exposure.contradicting_statuses)) & in_grace
        attrition.drop(set(rows.loc[against, SUBJECT_ID]) & set(users[SUBJECT_ID]), _CONTRADICTION)
    source = users
    if exposure.comparator is not None:
        others = _in_grace(lock, exposure.comparator, exposure)
        attrition.drop(set(users[SUBJECT_ID]) & set(others[SUBJECT_ID]), _BOTH)
        attrition.keep({*users[SUBJECT_ID], *others[SUBJECT_ID]}, _NEITHER)
        source = pd.concat([users, others])
    exposed = set(users[SUBJECT_ID])
    first = source.drop_duplicates(SUBJECT_ID)
    return Exposed({one: int(one in exposed) for one in attrition.ids}, lineage_of(first, exposure.name))


def _in_grace(lock: Mapping[str, pd.DataFrame], records: Records, exposure: Exposure) -> pd.DataFrame:
    rows = lock_rows(lock, records)
    return rows[rows["day"].between(*exposure.grace_days)]
