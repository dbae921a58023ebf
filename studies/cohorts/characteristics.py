"""Who a group of patients are, in counts: sex, age at index, hospital, year of index, days followed.

What is not recorded is a value of its own, `MISSING`: a group's counts add up to its size, always.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from rwd_platform.core.text import Bilingual

MISSING = "missing"
SEX, AGE, HOSPITAL, YEAR, FOLLOW_UP = "sex", "age", "hospital", "year", "follow_up"

NAMES: Mapping[str, Bilingual] = {
    SEX: Bilingual("性别", "Sex"),
    AGE: Bilingual("起始日年龄（周岁）", "Age at index (completed years)"),
    HOSPITAL: Bilingual("医疗机构", "Hospital"),
    YEAR: Bilingual("起始日年份", "Year of index"),
    # Where outcomes are sealed the last contact is the last of the other records: a short time says nothing.
    FOLLOW_UP: Bilingual(
        "起始日之后的观察天数（不含封存的结局与随访结果）",
        "Days observed after index (sealed outcomes and follow-up left out)",
    ),
}
# A characteristic and the column of the patient that says it, under its name in a model's file.
OF_PATIENT: Mapping[str, str] = {SEX: "gender", HOSPITAL: "hospital"}

# The first value of each band; the last is open. BEFORE stands for what is less than the first.
AGE_BANDS = (0, 18, 45, 60, 75)  # 18: adult in China; 60: 老年人权益保障法, article 2
FOLLOW_UP_BANDS = (0, 30, 90, 180, 365, 730, 1825)
BEFORE = "before"


@dataclass(frozen=True)
class Characteristics:
    """
    counts -- characteristic -> value -> how many of the `n` patients. Bands are "18-44" and "75+"; "before" is
              a day (or an age) before the first band: a birth after the index, an index after the last day
              that is observed. A characteristic that the data model does not know is not there.
    keys   -- the same places -> the sum of the numbers of those patients (patient_keys.py), where asked for
    """

    n: int
    counts: Mapping[str, Mapping[str, int]]
    keys: Mapping[str, Mapping[str, int]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def adds_up(self) -> bool:
        return all(sum(values.values()) == self.n for values in self.counts.values())


def bands(edges: tuple[int, ...]) -> tuple[tuple[int, str], ...]:
    """(first value, name) of each band."""
    names = [f"{low}-{high - 1}" for low, high in pairwise(edges)]
    return tuple(zip(edges, [*names, f"{edges[-1]}+"], strict=True))


def band_of(value: int | None, edges: tuple[int, ...]) -> str:
    """The band of a whole number; MISSING for none."""
    if value is None:
        return MISSING
    return next((name for low, name in reversed(bands(edges)) if value >= low), BEFORE)
