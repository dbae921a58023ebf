"""Which rows of one hospital break one rule: their keys alone, so that the hospital can be told where to look."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from quality.checks import KEYS, Judged, Surroundings, judged_tables
from quality.suite import Suite
from rwd_platform.core import columns as core


def failing_rows(
    tables: Mapping[str, pd.DataFrame],
    suites: Mapping[str, Suite],
    rule_id: str,
    organisation_id: str,
    around: Surroundings | None = None,
) -> pd.DataFrame:
    """The keys (checks.KEYS) of the hospital's rows that the rule fails, in the order of the merge key.

    Other hospitals' rows are looked at too, because a rule may compare with them; none of them is returned.
    A rule that no suite has, or that cannot be asked, fails no row; nor does one about drift, which is judged on
    distributions. Of follow-up, the rows are those of patients with days that were not observed. A table that
    is derived from others has rows of no resource: there the patient alone is named, and the other keys are empty.
    """
    suite = next((one for one in suites.values() if any(rule.id == rule_id for rule in one.rules)), None)
    if suite is None:
        return pd.DataFrame(columns=list(KEYS))
    number = next(place for place, rule in enumerate(suite.rules) if rule.id == rule_id)
    with judged_tables(_grown(tables, suites), suites, around) as judged:
        found = judged[suite.table]
        if found.rows is None or number in found.broken:
            return pd.DataFrame(columns=list(KEYS))
        rows = found.flagged([number], *(key for key in KEYS if key in found.rows.columns))
        fails = rows[Judged.fails(number)].cast("int64") > 0
        own = rows.filter(rows[core.ORGANISATION_ID] == organisation_id).filter(fails)
        broken: pd.DataFrame = own.execute()
    keys = broken.reindex(columns=list(KEYS))
    return keys.sort_values([*core.MERGE_KEY, core.PATIENT_ID], ignore_index=True)


def _grown(tables: Mapping[str, pd.DataFrame], suites: Mapping[str, Suite]) -> dict[str, pd.DataFrame]:
    """With the columns that a table has gained since it was written; its older rows say nothing there."""
    return {
        name: frame.assign(**dict.fromkeys(column for column in suites[name].columns if column not in frame))
        for name, frame in tables.items()
        if name in suites
    }
