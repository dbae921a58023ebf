"""One row a person, out of a lake's or a lock's tables: what an attacker may know, what they must not learn.

A release is many tables; re-identification is of people. What is declared in levels.toml is brought together
here, a row for each person, and the events for the longitudinal fingerprint beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rwd_platform.core.columns import (
    LINE_DIGEST,
    ORGANISATION_ID,
    PATIENT_ID,
    SOURCE_FILE,
    SOURCE_ROW,
    SUBJECT_ID,
)

if TYPE_CHECKING:
    import pandas as pd

Tables = Mapping[str, "pd.DataFrame"]

FIRST_PRODUCT = "first_product"
OUTCOME = "outcome"
MAIN_DIAGNOSIS = "main_diagnosis"
# Digests and names of files and lines: no text that anybody typed.
DIGESTS = (SOURCE_FILE, LINE_DIGEST, SOURCE_ROW)


def lake_persons(tables: Tables) -> pd.DataFrame:
    """birth_year, gender, hospital, first_product, index_month, main_diagnosis of each patient in `patient`.

    The index month is that of the first dose on record; whoever had none has neither product nor month.
    """
    import pandas as pd

    patients = tables["patient"].drop_duplicates(PATIENT_ID)
    key = patients[PATIENT_ID]
    doses = _first(tables, "drug_exposure", PATIENT_ID, "product_code")
    diagnoses = _first(tables, "condition", PATIENT_ID, "code")
    return pd.DataFrame(
        {
            "person": key.to_numpy(),
            "birth_year": patients["birth_date"].astype("string").str[:4].to_numpy(),
            "gender": patients["gender"].to_numpy(),
            "hospital": patients[ORGANISATION_ID].to_numpy(),
            FIRST_PRODUCT: key.map(doses["value"]).to_numpy(),
            "index_month": key.map(doses["day"].astype("string").str[:7]).to_numpy(),
            MAIN_DIAGNOSIS: key.map(diagnoses["value"]).to_numpy(),
        }
    )


def lock_persons(tables: Tables, quasi: Sequence[str]) -> pd.DataFrame:
    """Those of `quasi` that the lock's `subject` has, the first product, and the sensitive outcome."""
    subjects = tables["subject"].drop_duplicates(SUBJECT_ID)
    key = subjects[SUBJECT_ID]
    persons = subjects[[name for name in quasi if name in subjects]].reset_index(drop=True)
    persons.insert(0, "person", key.to_numpy())
    doses = _first(tables, "drug_exposure", SUBJECT_ID, "product_code")
    if len(doses):
        persons[FIRST_PRODUCT] = key.map(doses["value"]).to_numpy()
    outcomes = _outcomes(tables)
    if outcomes is not None:
        persons[OUTCOME] = key.map(outcomes).to_numpy()
    else:
        persons[MAIN_DIAGNOSIS] = key.map(_first(tables, "condition", SUBJECT_ID, "code")["value"]).to_numpy()
    return persons


def events(tables: Tables, items: Sequence[str], person: str) -> pd.DataFrame:
    """person, item, day of every row of the `table.column`s named that are there."""
    import pandas as pd

    parts = []
    for named in items:
        table, _, column = named.partition(".")
        rows = tables.get(table)
        day = None if rows is None else _day_column(rows)
        if rows is not None and day is not None and column in rows and person in rows:
            item = f"{named}=" + rows[column].astype("string")
            parts.append(
                pd.DataFrame({"person": rows[person], "item": item, "day": rows[day].astype("string")})
            )
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["person", "item", "day"])


def _day_column(rows: pd.DataFrame) -> str | None:
    """The first date of a row's event: a lake has `..._date`, a lock `..._day`, `..._month` or a shifted date."""
    for end in ("_date", "_day", "_month"):
        for column in map(str, rows.columns):
            if column.endswith(end):
                return column
    return None


def _first(tables: Tables, table: str, person: str, column: str) -> pd.DataFrame:
    """By person: the value of the earliest row that has one, and its day. Ties go to the smaller value."""
    import pandas as pd

    rows = tables.get(table)
    day = None if rows is None else _day_column(rows)
    if rows is None or day is None or column not in rows:
        return pd.DataFrame({"value": pd.Series(dtype=object), "day": pd.Series(dtype=object)})
    dated = rows[[person, column, day]].dropna(subset=[column])
    ordered = dated.sort_values([day, column], na_position="last", kind="stable").drop_duplicates(person)
    return ordered.set_index(person).rename(columns={column: "value", day: "day"})


def _outcomes(tables: Tables) -> pd.Series[Any] | None:
    """By person: which outcomes have come about, as one text; None for a lock without outcomes."""
    rows = tables.get("outcome_event")
    if rows is None or not {"code", "value_code", SUBJECT_ID} <= set(rows.columns):
        return None
    each = rows["code"].astype("string") + "=" + rows["value_code"].astype("string").fillna("")
    return each.groupby(rows[SUBJECT_ID]).agg(lambda own: ";".join(sorted(set(own.dropna()))))
