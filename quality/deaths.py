"""Who has died, and by which day at the latest: read from outcomes, for the rules that nothing comes after a death.

A death is told by the patient's own record or by a follow-up; deaths.csv lists both. A record that was taken back, or
that adjudication refuted, is none.
"""

from __future__ import annotations

import csv
import functools
import operator
from pathlib import Path
from typing import Any

from quality.kinds import DATE, matches
from rwd_platform.core import columns as core

DEATHS = Path(__file__).parent / "deaths.csv"
NEEDED = frozenset({*("code_system", "code", "value_code"), "effective_date", core.PATIENT_ID})
_NOT_HAPPENED = ("registered", "cancelled", "entered-in-error")
_REFUTED = "refuted"


@functools.cache
def death_codes() -> tuple[tuple[str, str, str], ...]:
    """(code system, code, value) of every outcome that is a death."""
    with DEATHS.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(line for line in lines if not line.startswith("#"))
        return tuple((row["code_system"], row["code"], row["value_code"]) for row in rows)


def deaths(outcomes: Any) -> Any:
    """organisation_id, patient_id, death_date of the dead, as a table of the engine of `outcome_event`.

    death_date -- YYYY-MM-DD: of a date without a day its latest possible one, and of several deaths the earliest, so
                  that what is called after death is after it however the records are read
    """
    rows = outcomes.filter(_is_death(outcomes))
    written = rows["effective_date"]
    # A month's last day may be one that it lacks: such dates are only compared, as text.
    latest = (written.length() == 4).ifelse(
        written + "-12-31", (written.length() == 7).ifelse(written + "-31", written.substr(0, 10))
    )
    keys = [core.ORGANISATION_ID, core.PATIENT_ID]
    return (
        rows.mutate(death_date=latest).group_by(keys).aggregate(death_date=lambda one: one.death_date.min())
    )


def _is_death(rows: Any) -> Any:
    listed = (
        (rows["code_system"] == system) & (rows["code"] == code) & (rows["value_code"] == value)
        for system, code, value in death_codes()
    )
    found = functools.reduce(operator.or_, listed) & matches(rows["effective_date"], DATE)
    # Tables of before these columns were there have none of them.
    if "status" in rows.columns:
        found = found & (rows["status"].isnull() | ~rows["status"].isin(_NOT_HAPPENED))
    if "adjudication_code" in rows.columns:
        found = found & (rows["adjudication_code"].isnull() | (rows["adjudication_code"] != _REFUTED))
    return found
