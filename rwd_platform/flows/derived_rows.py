"""What a lock holds of tables that are derived from the lake's: as they were when the cohort was defined."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rwd_platform.core.columns import PROVENANCE
from rwd_platform.flows.protocol_tables import records_in

if TYPE_CHECKING:
    import pandas as pd

    from studies.protocol import Protocol

DEVICE_USE, _DEVICE_ROWS = "device_use", "device_exposure"
_CARRIES = "reason_code"


def derived_to_lock(protocol: Protocol, tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The derived tables that the protocol's cohort or exposure asks for: the analysis reads their rows again.

    `tables` are the lake's under the patients' names of the cohort.
    """
    from studies.cohorts.tables import load_model
    from studies.protocol import DefinedCohort
    from studies.protocol_rows import MODEL

    asked = set(records_in(protocol))
    if isinstance(protocol.cohort, DefinedCohort):
        model = load_model(MODEL)
        asked |= {model.table(events.table).source for events in protocol.cohort.definition.all_events()}
    return {DEVICE_USE: device_use(tables)} if DEVICE_USE in asked else {}


def device_use(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Each device in a patient, with the source line of the row that says how it began."""
    from ingestion.derived import derive

    if _DEVICE_ROWS not in tables:
        return derive(DEVICE_USE, tables)
    rows = tables[_DEVICE_ROWS].reset_index(drop=True)
    # One column, which nothing is decided by, carries each row's number through and then gets its own value back.
    numbered = rows.assign(**{_CARRIES: [str(number) for number in range(len(rows))]})
    found = derive(DEVICE_USE, {**tables, _DEVICE_ROWS: numbered})
    began = rows.iloc[found[_CARRIES].astype("int64")]
    return found.assign(**{name: began[name].array for name in (_CARRIES, *PROVENANCE)})
