"""Who is linked, against who is not: whom a study of linked persons would lose.

The standardised difference of a level is that of a variable of 0 and 1 (studies.balance): the difference of the two
shares over the root of the mean of their sample variances. 0.1 and more is commonly called imbalance (Austin 2009,
Communications in Statistics 38:1228).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any

import pandas as pd

from studies.cohorts.characteristics import AGE_BANDS, BEFORE, MISSING, bands
from studies.linkage.charts import CARE, LINKED, PAYMENT, PRODUCT, Charts

SEX, AGE, HOSPITAL, YEAR, PRODUCTS = "sex", "age", "hospital", "year", "product"
# A person has one level of each of these; of products as many as were received.
PARTITIONS = (SEX, AGE, HOSPITAL, YEAR)
# Whose persons are compared, and to which roles "linked" means.
QUESTIONS = (
    (CARE, (PAYMENT,)),
    (CARE, (PRODUCT,)),
    (CARE, (PAYMENT, PRODUCT)),
    (PAYMENT, (CARE,)),
    (PRODUCT, (CARE,)),
)
MOST_PRODUCTS = 20
_FULL = 10  # characters of a date with a day


@dataclass(frozen=True)
class Level:
    """`difference`: standardised, linked minus unlinked; None where nobody differs or a group has fewer than two."""

    characteristic: str
    value: str
    linked: int
    unlinked: int
    difference: float | None


@dataclass(frozen=True)
class Comparison:
    """Persons known to `base`, linked to every one of `to` or not. A person's characteristics are those of the first
    of his or her charts there, by organisation and patient.
    """

    base: str
    to: tuple[str, ...]
    linked: int
    unlinked: int
    levels: tuple[Level, ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def difference(linked: int, of_linked: int, unlinked: int, of_unlinked: int) -> float | None:
    """The standardised difference of two shares, from counts."""
    if of_linked < 2 or of_unlinked < 2:
        return None
    first, second = linked / of_linked, unlinked / of_unlinked
    spread = first * (1 - first) * of_linked / (of_linked - 1)
    spread += second * (1 - second) * of_unlinked / (of_unlinked - 1)
    return (first - second) / sqrt(spread / 2) if spread > 0 else None


def compare(charts: Charts, seen: pd.DataFrame, received: pd.DataFrame) -> tuple[Comparison, ...]:
    """Each of QUESTIONS whose roles all have charts.

    seen     -- organisation_id, patient_id, first_date (YYYY-MM-DD): one row a chart with a contact
    received -- organisation_id, patient_id, product: one row a chart and product
    """
    there = set(charts.frame["role"])
    described = _described(charts.frame, seen)
    roles: dict[str, set[str]] = {}
    brought = charts.frame[charts.frame["state"] == LINKED]
    for person, role in brought[["person", "role"]].drop_duplicates().itertuples(index=False):
        roles.setdefault(person, set()).add(role)
    wanted = [(base, to) for base, to in QUESTIONS if {base, *to} <= there]
    return tuple(_compared(described, received, roles, base, to) for base, to in wanted)


def _compared(
    described: pd.DataFrame,
    received: pd.DataFrame,
    roles: Mapping[str, set[str]],
    base: str,
    to: tuple[str, ...],
) -> Comparison:
    at_base = described[described["role"] == base]
    people = at_base.drop_duplicates("person").reset_index(drop=True)
    is_linked = pd.Series([roles.get(one, set()) >= set(to) for one in people["person"]], dtype=bool)
    groups = people[is_linked], people[~is_linked]
    sizes = len(groups[0]), len(groups[1])
    levels = []
    for name in PARTITIONS:
        counted = [group[name].value_counts() for group in groups]
        for value in _in_order(name, set(counted[0].index) | set(counted[1].index)):
            here, there = (int(one.get(value, 0)) for one in counted)
            levels.append(_level(name, value, here, there, sizes))
    owners = at_base[["organisation_id", "patient_id", "person"]].merge(received)
    owners = owners[["person", "product"]].drop_duplicates()
    of_linked = owners["person"].isin(set(groups[0]["person"]))
    first, second = (owners["product"][one].value_counts() for one in (of_linked, ~of_linked))
    most = owners["product"].value_counts()
    named = sorted(most.index, key=lambda product: (-most[product], product))[:MOST_PRODUCTS]
    levels += [_level(PRODUCTS, one, int(first.get(one, 0)), int(second.get(one, 0)), sizes) for one in named]
    return Comparison(base, to, *sizes, tuple(levels))


def _level(name: str, value: str, linked: int, unlinked: int, sizes: tuple[int, int]) -> Level:
    return Level(name, value, linked, unlinked, difference(linked, sizes[0], unlinked, sizes[1]))


def _in_order(name: str, values: set[str]) -> list[str]:
    if name != AGE:
        return sorted(values, key=lambda value: (value == MISSING, value))
    order = [BEFORE, *(band for _, band in bands(AGE_BANDS)), MISSING]
    return [band for band in order if band in values]


def _described(frame: pd.DataFrame, seen: pd.DataFrame) -> pd.DataFrame:
    """Charts with sex, hospital, year of the first contact, and the age then."""
    places = ["organisation_id", "patient_id"]
    rows = frame.merge(seen[[*places, "first_date"]], on=places, how="left", validate="one_to_one")
    first = rows["first_date"].astype(object).where(rows["first_date"].notna(), "")
    ages = [_age_band(born, day) for born, day in zip(rows["birth_date"], first, strict=True)]
    return rows.assign(
        **{
            SEX: rows["gender"].replace("", MISSING),
            HOSPITAL: rows["organisation_id"],
            YEAR: first.str[:4].replace("", MISSING),
            AGE: pd.Series(ages, index=rows.index, dtype=object),
        }
    )


def _age_band(born: str, day: str) -> str:
    """Completed years; by years alone where a date has no month and day."""
    if not born or not day:
        return MISSING
    age = int(day[:4]) - int(born[:4])
    if len(born) == _FULL and len(day) == _FULL and day[5:] < born[5:]:
        age -= 1
    return BEFORE if age < 0 else next(name for low, name in reversed(_AGES) if age >= low)


_AGES = bands(AGE_BANDS)
