"""Up to which day charts can be read: not to one on which somebody who may be drawn had not begun yet."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pandas as pd

from rwd_platform.core.columns import SUBJECT_ID
from studies.dataset import StudyDataset
from studies.tables import INDEX_DATE, SUBJECT_TABLE

_QUARTER = "index_quarter"  # of a subject, in a lock of days since the index date
_QUARTERS = re.compile(r"([0-9]{4})-Q([1-4])")
_DATES = re.compile(r"([0-9]{4})-([0-9]{2})-[0-9]{2}")


def first_day(lock: Mapping[str, pd.DataFrame], dataset: StudyDataset) -> str:
    """YYYY-MM-DD, the first day of the quarter in which the last of the analysed subjects began; "" where no lock says.

    Before it fewer rows could be looked up than the rule draws from. It is a bound and tells no single person's day:
    a lock of days has quarters alone, and in a lock of shifted dates nobody's are later than they were.
    """
    subjects = lock.get(SUBJECT_TABLE)
    if subjects is None:
        return ""
    mine = subjects[subjects[SUBJECT_ID].isin(list(dataset.frame[SUBJECT_ID]))]
    written = next((mine[name] for name in (_QUARTER, INDEX_DATE) if name in mine.columns), ())
    return max(map(_quarter, map(str, written)), default="")


def _quarter(written: str) -> str:
    """The first day of the quarter; "" of what is neither a quarter nor a day."""
    if found := _QUARTERS.fullmatch(written):
        return f"{found[1]}-{3 * int(found[2]) - 2:02d}-01"
    if found := _DATES.fullmatch(written):
        return f"{found[1]}-{(int(found[2]) - 1) // 3 * 3 + 1:02d}-01"
    return ""
