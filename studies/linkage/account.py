"""The account of a run: charts of each source by what became of them, persons by where they are known.

Sums that hold in every account: a source's charts are the sum of their states; the charts of all sources less those
that were brought together with another are the persons; the persons by roles add up to the persons.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import combinations_with_replacement
from typing import Any

import pandas as pd

from studies.linkage.charts import CONFLICTS, DISAGREE, LINKED, ROLES, STATES, UNDECIDED, Charts


@dataclass(frozen=True)
class SourceAccount:
    """An organisation: its charts by state (every one of STATES is named)."""

    organisation_id: str
    role: str
    charts: int
    states: Mapping[str, int]


@dataclass(frozen=True)
class PairAccount:
    """
    Two organisations, or one twice; the first is not greater than the second.

    linked               -- persons with charts at both that were brought together
    disagree, undecided  -- tokens with charts at both that were set apart, or not decided
    """

    first: str
    second: str
    linked: int
    disagree: int
    undecided: int


@dataclass(frozen=True)
class Account:
    """
    persons          -- a linked person counts once, every other chart as a person of its own
    persons_by_roles -- "care+payment": persons known to exactly these roles; every combination is named
    conflicts        -- tokens set apart by what contradicts itself (every one of CONFLICTS is named)
    """

    sources: tuple[SourceAccount, ...]
    charts: int
    persons: int
    persons_by_roles: Mapping[str, int]
    pairs: tuple[PairAccount, ...]
    conflicts: Mapping[str, int]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def account(charts: Charts) -> Account:
    frame = charts.frame
    sources = tuple(
        _source(str(organisation), rows) for organisation, rows in frame.groupby("organisation_id")
    )
    conflicts = frame[frame["state"] == DISAGREE].drop_duplicates("token")["conflict"].value_counts()
    return Account(
        sources,
        len(frame),
        int(frame["person"].nunique()),
        _by_roles(frame),
        _pairs(frame, [one.organisation_id for one in sources]),
        {name: int(conflicts.get(name, 0)) for name in CONFLICTS},
    )


def role_names() -> tuple[str, ...]:
    """Every combination of roles: "care", "payment", ..., "care+payment+product"."""
    sets = range(1, 2 ** len(ROLES))
    named = [[role for bit, role in enumerate(ROLES) if number >> bit & 1] for number in sets]
    return tuple("+".join(roles) for roles in sorted(named, key=len))


def _source(organisation: str, rows: pd.DataFrame) -> SourceAccount:
    states = rows["state"].value_counts()
    counts = {state: int(states.get(state, 0)) for state in STATES}
    return SourceAccount(organisation, str(rows["role"].iloc[0]), len(rows), counts)


def _by_roles(frame: pd.DataFrame) -> dict[str, int]:
    bits = frame["role"].map({role: 1 << bit for bit, role in enumerate(ROLES)})
    # A role counts once for a person, however many charts there are.
    known = pd.DataFrame({"person": frame["person"], "bit": bits}).drop_duplicates()
    masks = known.groupby("person")["bit"].sum().value_counts()
    names = {sum(1 << ROLES.index(role) for role in name.split("+")): name for name in role_names()}
    return {name: int(masks.get(mask, 0)) for mask, name in names.items()}


def _pairs(frame: pd.DataFrame, organisations: list[str]) -> tuple[PairAccount, ...]:
    """One organisation twice is a pair only of tokens that two of its charts share."""
    shared = frame[frame["state"].isin((LINKED, DISAGREE, *UNDECIDED))]
    places: dict[str, Counter[str]] = {}
    states: dict[str, str] = {}
    columns = (shared["token"], shared["organisation_id"], shared["state"])
    for token, organisation, state in zip(*columns, strict=True):
        places.setdefault(token, Counter())[organisation] += 1
        states[token] = state
    found: Counter[tuple[str, str, str]] = Counter()
    for token, at in places.items():
        for first, second in combinations_with_replacement(sorted(at), 2):
            if first != second or at[first] > 1:
                found[first, second, states[token]] += 1
    return tuple(
        PairAccount(
            first,
            second,
            found[first, second, LINKED],
            found[first, second, DISAGREE],
            sum(found[first, second, state] for state in UNDECIDED),
        )
        for first, second in combinations_with_replacement(organisations, 2)
    )
