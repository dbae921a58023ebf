"""A population whose truth is known: people in care and in a payment source, numbers mixed up, dates mistyped."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import pandas as pd

from studies.linkage.charts import CARE, PAYMENT


@dataclass(frozen=True)
class Population:
    """`places` as charts_of takes them; `linked` by the rules; how many token-equal pairs, and linked, are false."""

    places: pd.DataFrame
    linked: frozenset[str]
    pairs: int
    false_pairs: int
    false_links: int


def population(
    seed: int,
    people: int,
    *,
    mixed_up: float,
    wrong_date: float = 0.0,
    wrong_sex: float = 0.0,
    without_number: float = 0.0,
    years_only: float = 0.0,
) -> Population:
    """Everybody has a care chart and a payment chart. A payment chart whose number is mixed up has that of a random
    other person; a recording error gives a random date, or the other sex, in the payment chart.
    """
    chance = np.random.default_rng(seed)
    born = np.datetime64("1935-01-01") + chance.integers(0, 25000, people)
    sex = chance.integers(0, 2, people)
    number = chance.permutation(people)
    mixed = chance.random(people) < mixed_up
    paid_number = number.copy()
    # Among those mixed up the numbers are handed on in a ring, so that no number stands in two payment charts.
    ring = np.flatnonzero(mixed)
    paid_number[ring] = number[np.roll(ring, 1)]
    paid_born = np.where(
        chance.random(people) < wrong_date,
        np.datetime64("1935-01-01") + chance.integers(0, 25000, people),
        born,
    )
    paid_sex = np.where(chance.random(people) < wrong_sex, 1 - sex, sex)
    short = chance.random(people) < years_only
    has_number = chance.random(people) >= without_number
    rows = []
    for one in range(people):
        token = f"t{number[one]}" if has_number[one] else ""
        rows.append(_row("h1", one, CARE, str(born[one]), sex[one], token))
        paid = str(paid_born[one])[: 4 if short[one] else 10]
        rows.append(_row("pay", one, PAYMENT, paid, paid_sex[one], f"t{paid_number[one]}"))
    places = pd.DataFrame(rows)
    return _judged(places, {f"t{number[one]}": one for one in range(people)})


def _row(organisation: str, one: int, role: str, born: str, sex: int, token: str) -> dict[str, object]:
    return {
        "organisation_id": organisation,
        "patient_id": f"{organisation}-{one}",
        "role": role,
        "birth_date": born,
        "gender": ("female", "male")[sex],
        "patient_rows": 1,
        "token": token,
    }


def _judged(places: pd.DataFrame, owner: dict[str, int]) -> Population:
    charts = defaultdict(list)
    for row in places[places["token"] != ""].itertuples():
        charts[row.token].append(row)
    linked, pairs, false_pairs, false_links = set(), 0, 0, 0
    for token, found in charts.items():
        if len(found) < 2:
            continue
        care, paid = found
        false = paid.patient_id != f"pay-{owner[token]}"
        length = min(len(care.birth_date), len(paid.birth_date))
        agrees = care.gender == paid.gender and care.birth_date[:length] == paid.birth_date[:length]
        pairs, false_pairs, false_links = pairs + 1, false_pairs + false, false_links + (false and agrees)
        if agrees:
            linked.add(token)
    return Population(places, frozenset(linked), pairs, false_pairs, false_links)
