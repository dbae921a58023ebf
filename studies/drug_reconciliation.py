"""The use of licensed products against the traceability feed: who used what without a supply, and the other way.

A use and a supply belong together when the feed names the same patient and product; a supply that names no patient,
when it names the same lot and product. A supply with neither can be matched to nobody, and is said to be so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from studies.drug_sources import COLUMN_MISSING

MATCHED = "matched"
USED_WITHOUT_FEED = "used without feed"
FED_WITHOUT_USE = "fed without use"
CANNOT_TELL = "feed names no patient and no lot"
VERDICTS = (MATCHED, USED_WITHOUT_FEED, FED_WITHOUT_USE, CANNOT_TELL)

_PERSONS = ("patient_id", "subject_id")


@dataclass(frozen=True)
class Reconciliation:
    """Each use and each supply with its verdict, and the counts.

    uses     -- the exposure rows given, and `verdict`: matched | used without feed
    supplies -- the rows of product_use that say something was supplied, and `verdict`: matched | fed without use |
                feed names no patient and no lot
    counts   -- one row for each product_code and verdict: uses, supplies
    """

    uses: pd.DataFrame
    supplies: pd.DataFrame
    counts: pd.DataFrame


def reconcile(exposure: pd.DataFrame, product_use: pd.DataFrame) -> Reconciliation:
    """Rows that count as exposure (`DrugSources.exposure`) against the table product_use.

    Only products that the feed is about are expected in it: a use of a product that no supply names at all is not
    of the feed, and is left out. Raises `drug_sources.column_missing`.
    """
    person = _person("drug_exposure", exposure)
    feed = _supplied(product_use)
    feed_person = _person("product_use", feed)
    of_feed = exposure[exposure["product_code"].isin(set(feed["product_code"].dropna()))]
    by_person = set(_pairs(feed, feed_person)) - {None}
    by_lot = set(_pairs(feed[~_named(feed[feed_person])], "lot_id")) - {None}
    used_by_person, used_by_lot = set(_pairs(of_feed, person)), set(_pairs(of_feed, "lot_id"))
    use_pairs = zip(_pairs(of_feed, person), _pairs(of_feed, "lot_id"), strict=True)
    uses = [MATCHED if one in by_person or lot in by_lot else USED_WITHOUT_FEED for one, lot in use_pairs]
    feed_pairs = zip(_pairs(feed, feed_person), _pairs(feed, "lot_id"), strict=True)
    supplies = [_of_supply(one, lot, used_by_person, used_by_lot) for one, lot in feed_pairs]
    judged_uses = of_feed.assign(verdict=pd.Series(uses, index=of_feed.index, dtype=object))
    judged_feed = feed.assign(verdict=pd.Series(supplies, index=feed.index, dtype=object))
    return Reconciliation(judged_uses, judged_feed, _counts(judged_uses, judged_feed))


def _of_supply(
    person: tuple[Any, Any] | None,
    lot: tuple[Any, Any] | None,
    used_by_person: set[Any],
    used_by_lot: set[Any],
) -> str:
    if person is not None:
        return MATCHED if person in used_by_person else FED_WITHOUT_USE
    if lot is not None:
        return MATCHED if lot in used_by_lot else FED_WITHOUT_USE
    return CANNOT_TELL


def _supplied(product_use: pd.DataFrame) -> pd.DataFrame:
    """The rows that say something reached somebody: completed, no return."""
    for column in ("product_code", "status"):
        if column not in product_use.columns:
            raise COLUMN_MISSING.error(table="product_use", column=column)
    done = product_use["status"] == "completed"
    if "returned" in product_use.columns:
        done &= ~product_use["returned"].map(lambda value: not pd.isna(value) and bool(value)).astype(bool)
    return product_use[done]


def _person(table: str, rows: pd.DataFrame) -> str:
    for name in _PERSONS:
        if name in rows.columns:
            return name
    raise COLUMN_MISSING.error(table=table, column=_PERSONS[0])


def _named(values: pd.Series[Any]) -> pd.Series[bool]:
    return values.notna() & (values != "")


def _pairs(rows: pd.DataFrame, name: str) -> list[tuple[Any, Any] | None]:
    """(value, product) of each row; None where either is absent. A lock has no lots."""
    if name not in rows.columns:
        return [None] * len(rows)
    known = _named(rows[name]) & _named(rows["product_code"])
    pairs = zip(rows[name], rows["product_code"], known, strict=True)
    return [(value, product) if is_known else None for value, product, is_known in pairs]


def _counts(uses: pd.DataFrame, supplies: pd.DataFrame) -> pd.DataFrame:
    keys = ["product_code", "verdict"]
    found = pd.concat(
        [uses.groupby(keys, dropna=False).size(), supplies.groupby(keys, dropna=False).size()],
        axis=1,
        keys=["uses", "supplies"],
    )
    return found.fillna(0).astype("int64").reset_index().sort_values(keys, ignore_index=True)
