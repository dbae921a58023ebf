"""The tumour bank's patients, with the dates, hospital and identity that the demo gives them.

The outcomes and covariates are real (2,982 women, Rotterdam, 1978 to 1993; `survival`, data set `rotterdam`).
Recorded there: the year of surgery, age in years, and times in days. Invented here, from a seed: the day of
surgery inside that year, the day of diagnosis 0 to 21 days before and inside the year, a birth date at which
the completed age at surgery is the recorded age, the hospital, the identity.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from rwd_platform.demo.identities import Identity, IdentityMaker, shift_years

HOSPITALS = ("a", "b", "c")
_DAYS_BEFORE = 21
_INTEGERS = ("pid", "year", "age", "meno", "grade", "nodes", "pgr", "er", "hormon", "chemo", "recur", "death")


@dataclass(frozen=True)
class DemoPatient:
    """One patient. `number` counts from 1 within the hospital. Times are days from surgery (day 0)."""

    pid: int  # the tumour bank's number; sent to nobody
    hospital: str
    number: int
    identity: Identity
    birth_date: date
    diagnosis_date: date
    surgery_date: date
    year: int
    age: int
    meno: int
    size: str
    grade: int
    nodes: int
    pgr: int
    er: int
    hormon: int
    chemo: int
    rtime: int
    recur: int
    dtime: int
    death: int

    @property
    def last_check_date(self) -> date:
        return self.surgery_date + timedelta(days=self.rtime)

    @property
    def last_contact_date(self) -> date:
        return self.surgery_date + timedelta(days=self.dtime)


def completed_years(born: date, at: date) -> int:
    """Age in completed years: a birthday counts from its own day on."""
    return at.year - born.year - ((at.month, at.day) < (born.month, born.day))


def demo_patients(seed: int) -> tuple[DemoPatient, ...]:
    """All 2,982, ordered by hospital and number. The same seed gives the same patients everywhere."""
    from survival.datasets import load_rotterdam

    columns: dict[str, list[Any]] = load_rotterdam()
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    chance = random.Random(f"rwd demo {seed}")  # noqa: S311  # must be repeatable; nothing here is a secret
    chance.shuffle(rows)
    identities = IdentityMaker(chance, len(rows))
    made: list[DemoPatient] = []
    share = -(-len(rows) // len(HOSPITALS))
    for index, row in enumerate(rows):
        made.append(_patient(row, HOSPITALS[index // share], index % share + 1, identities, chance))
    return tuple(made)


def _patient(
    row: dict[str, Any], hospital: str, number: int, identities: IdentityMaker, chance: random.Random
) -> DemoPatient:
    year = int(row["year"])
    first = date(year, 1, 1)
    surgery = first + timedelta(days=chance.randrange((date(year + 1, 1, 1) - first).days))
    diagnosis = max(first, surgery - timedelta(days=chance.randint(0, _DAYS_BEFORE)))
    # A day of the twelve months up to surgery, moved back by the age: the age is completed by then.
    birthday = surgery - timedelta(days=chance.randrange(365))
    born = shift_years(birthday, -int(row["age"]))
    return DemoPatient(
        hospital=hospital,
        number=number,
        identity=identities.make(born),
        birth_date=born,
        diagnosis_date=diagnosis,
        surgery_date=surgery,
        size=str(row["size"]),
        rtime=_whole_days(row["rtime"]),
        dtime=_whole_days(row["dtime"]),
        **{name: int(row[name]) for name in _INTEGERS},
    )


def _whole_days(days: float) -> int:
    if days != int(days):
        raise ValueError("the data set holds whole days")
    return int(days)
