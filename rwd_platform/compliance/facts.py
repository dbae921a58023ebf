"""What must be true of results before a case may call them anonymised."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

THRESHOLD = 10

# Statistics of an ARD whose value is a number of persons or of their events.
COUNT_STATISTICS = frozenset(
    {"n", "count", "subjects", "persons", "patients", "events", "censored", "missing"}
)


@dataclass(frozen=True)
class SmallCell:
    """A count of an ARD row that could point at persons. `place` is the row's field that holds it."""

    row_id: str
    place: str  # value | n | events
    persons: int


def small_cells(ard_rows: Iterable[Mapping[str, Any]], threshold: int = THRESHOLD) -> tuple[SmallCell, ...]:
    """The counts from 1 to `threshold` - 1 in ARD rows, in the order of the rows.

    Looked at: a row's `n` and `events`, and its `value` when its statistic counts persons or events
    (`n`, `events`, ..., also with a prefix or suffix such as `n_missing` or `max_n`).

    Not looked at, so that an empty answer is necessary for anonymity and never enough:
    a cell that can be had by subtracting others from a total (secondary disclosure) or by comparing
    two packages; zero and "everybody"; percentages whose denominator is known; minima, maxima and
    other statistics that are one person's value; the points of figures; rare combinations of groups.
    A person reviews those, and the review is what `anonymised_and_reviewed` records.
    """
    found = []
    for row in ard_rows:
        places = ["n", "events"]
        if _counts_persons(str(row.get("statistic", ""))):
            places.append("value")
        for place in sorted(places):
            persons = _whole(row.get(place))
            if persons is not None and 0 < persons < threshold:
                found.append(SmallCell(str(row.get("id", "")), place, persons))
    return tuple(found)


def _counts_persons(statistic: str) -> bool:
    return not COUNT_STATISTICS.isdisjoint({statistic, *statistic.split("_")})


def _whole(value: Any) -> int | None:
    """A count, also when it travelled as 7.0; None for what is no count."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None
